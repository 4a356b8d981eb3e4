"""
The layers of the encoder-decoders with lightweight or dynamic convolutions.

B sentences, R rows (B, or B*W when decoding with a beam of W), S source positions, T positions, D model size, H heads,
K size of one head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch.nn.functional as F  # noqa: N812 - the name all torch code has for it
from torch import Tensor, nn

from seqtrain_conv.config import LightConvConfig
from seqtrain_conv.decoding_state import InputBuffer, Source
from seqtrain_conv.shared_convolution import SharedConvolution


class Residual(nn.Module):
    """Add a sublayer's output to its input, with dropout, and normalise before (pre-norm) or after (post-norm)."""

    def __init__(self, config: LightConvConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.embed_dim)
        self.dropout = nn.Dropout(config.dropout)
        self.pre_norm = config.pre_norm

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """Return x (R, T, D) with the sublayer's output added."""
        if self.pre_norm:
            normed: Tensor = self.norm(x)
            out: Tensor = x + self.dropout(sublayer(normed))
        else:
            out = self.norm(x + self.dropout(sublayer(x)))
        return out


class ConvolutionSublayer(nn.Module):
    """
    Gates, a convolution with few weights, and a linear layer.

    Args:
        config: sizes and options.
        convolution: what stands between.
    """

    def __init__(self, config: LightConvConfig, convolution: SharedConvolution) -> None:
        super().__init__()
        dim = config.embed_dim
        self.dropout = nn.Dropout(config.input_dropout)
        self.expand = make_linear(dim, 2 * dim if config.glu else dim)
        self.gate = nn.GLU() if config.glu else nn.Identity()
        self.convolution = convolution
        self.contract = make_linear(dim, dim)

    def forward(self, x: Tensor, is_padding: Tensor | None = None, buffer: InputBuffer | None = None) -> Tensor:
        """Map (R, T, D) to (R, T, D); is_padding (R, T, 1) bool and buffer are as in `GatedBlock`."""
        x = self.gate(self.expand(self.dropout(x)))
        if is_padding is not None:
            x = x.masked_fill(is_padding, 0)
        out: Tensor = self.contract(self.convolution(x, buffer))
        return out


class FeedForward(nn.Module):
    """Two linear layers with a ReLU between."""

    def __init__(self, config: LightConvConfig) -> None:
        super().__init__()
        self.expand = make_linear(config.embed_dim, config.ffn_dim)
        self.dropout = nn.Dropout(config.activation_dropout)
        self.contract = make_linear(config.ffn_dim, config.embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (R, T, D) to (R, T, D)."""
        out: Tensor = self.contract(self.dropout(self.expand(x).relu()))
        return out


class AttentionToSource(nn.Module):
    """
    Multi-head attention to the source.

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, section 3.2. Initial weights as fairseq's.
    """

    def __init__(self, config: LightConvConfig) -> None:
        super().__init__()
        dim = config.embed_dim
        self.num_heads = config.attention_heads
        self.dropout = config.attention_dropout
        self.query, self.key, self.value = (make_linear(dim, dim, gain=0.5**0.5) for _ in range(3))
        self.output = make_linear(dim, dim)

    def read(self, encoded: Tensor, is_padding: Tensor) -> Source:
        """Prepare the encoder's vectors (B, S, D), once a sentence; is_padding (B, S, 1) bool."""
        return Source(self._split(self.key(encoded)), self._split(self.value(encoded)), is_padding.mT[:, None])

    def forward(self, x: Tensor, source: Source) -> Tensor:
        """Map (R, T, D) to (R, T, D); R is a multiple of the source's B."""
        queries = self._split(self.query(x).reshape(len(source.keys), -1, x.shape[2]))  # (B, H, W*T, K)
        mixed = F.scaled_dot_product_attention(
            queries,
            source.keys,
            source.values,
            attn_mask=~source.is_padding,
            dropout_p=self.dropout if self.training else 0.0,
        )
        out: Tensor = self.output(mixed.transpose(1, 2).reshape(x.shape))
        return out

    def _split(self, x: Tensor) -> Tensor:
        """Turn (B, T, D) into (B, H, T, K)."""
        return x.view(*x.shape[:2], self.num_heads, -1).transpose(1, 2)


class EncoderLayer(nn.Module):
    """A convolution over the source and a feed-forward network."""

    def __init__(self, config: LightConvConfig, convolution: SharedConvolution) -> None:
        super().__init__()
        self.convolution = ConvolutionSublayer(config, convolution)
        self.feed_forward = FeedForward(config)
        self.around_convolution, self.around_feed_forward = Residual(config), Residual(config)

    def forward(self, x: Tensor, is_padding: Tensor) -> Tensor:
        """Map (B, S, D) to (B, S, D); is_padding (B, S, 1) bool."""
        x = self.around_convolution(x, lambda y: self.convolution(y, is_padding))
        out: Tensor = self.around_feed_forward(x, self.feed_forward)
        return out


class DecoderLayer(nn.Module):
    """A causal convolution over the target, attention to the source, and a feed-forward network."""

    def __init__(self, config: LightConvConfig, convolution: SharedConvolution) -> None:
        super().__init__()
        self.convolution = ConvolutionSublayer(config, convolution)
        self.attention = AttentionToSource(config)
        self.feed_forward = FeedForward(config)
        self.around_convolution, self.around_attention, self.around_feed_forward = (Residual(config) for _ in range(3))

    def forward(self, x: Tensor, source: Source, buffers: Iterator[InputBuffer | None]) -> Tensor:
        """Map (R, T, D) to (R, T, D); `buffers` gives what the convolution has seen before, or None."""
        buffer = next(buffers)
        x = self.around_convolution(x, lambda y: self.convolution(y, buffer=buffer))
        x = self.around_attention(x, lambda y: self.attention(y, source))
        out: Tensor = self.around_feed_forward(x, self.feed_forward)
        return out


def make_linear(inputs: int, outputs: int, *, gain: float = 1.0) -> nn.Linear:
    """Return a layer with Xavier-uniform weights; biases are zero."""
    linear = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(linear.weight, gain)
    nn.init.zeros_(linear.bias)
    return linear
