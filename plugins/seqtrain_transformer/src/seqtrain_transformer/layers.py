"""
The layers of encoder and decoder.

B sentences, R rows (B, or B*W when decoding with a beam of W), S source positions, T target positions, D model size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from seqtrain_transformer.attention import KeyValues, MultiHeadAttention
from seqtrain_transformer.config import TransformerConfig
from seqtrain_transformer.decoding_state import KeyValueCache
from seqtrain_transformer.dropout import Dropout


class Residual(nn.Module):
    """
    Add a sublayer's output to its input, with dropout, and normalise before (pre-norm) or after (post-norm).

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, section 5.4 (after); Xiong et al. 2020, arXiv:2002.04745 (before).
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.embed_dim)
        self.dropout = Dropout(config.dropout)
        self.pre_norm = config.pre_norm

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """Return x (R, T, D) with the sublayer's output added."""
        if self.pre_norm:
            normed: Tensor = self.norm(x)
            out: Tensor = x + self.dropout(sublayer(normed))
        else:
            out = self.norm(x + self.dropout(sublayer(x)))
        return out


class FeedForward(nn.Module):
    """Two linear layers with a non-linearity between, applied to each position by itself."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.embed_dim, config.ffn_dim)
        self.activation = nn.ReLU() if config.activation == "relu" else nn.GELU()
        self.dropout = Dropout(config.activation_dropout)
        self.contract = nn.Linear(config.ffn_dim, config.embed_dim)
        for linear in (self.expand, self.contract):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (R, T, D) to (R, T, D)."""
        out: Tensor = self.contract(self.dropout(self.activation(self.expand(x))))
        return out


def _attention(config: TransformerConfig) -> MultiHeadAttention:
    return MultiHeadAttention(config.embed_dim, config.attention_heads, config.attention_dropout)


class Encoded(NamedTuple):
    """
    What the encoder makes of the source.

    Args:
        vectors: (B, S, D).
        keep: (B, 1, 1, S) bool, True at real tokens; None if all are.
    """

    vectors: Tensor
    keep: Tensor | None


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward network."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention = _attention(config)
        self.around_attention = Residual(config)
        self.feed_forward = FeedForward(config)
        self.around_feed_forward = Residual(config)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """Map x (B, S, D) to (B, S, D); keep is (B, 1, 1, S) bool, True at real tokens, or None if all are."""
        attention = self.attention
        x = self.around_attention(x, lambda y: attention(y, attention.keys_values(y, keep)))
        out: Tensor = self.around_feed_forward(x, self.feed_forward)
        return out


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the source, and a feed-forward network."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.self_attention = _attention(config)
        self.around_self_attention = Residual(config)
        self.source_attention = _attention(config)
        self.around_source_attention = Residual(config)
        self.feed_forward = FeedForward(config)
        self.around_feed_forward = Residual(config)

    def forward(self, x: Tensor, encoded: Encoded) -> Tensor:
        """Map whole targets x (B, T, D) to (B, T, D)."""
        return self.step(x, self.read_source(encoded))

    def read_source(self, encoded: Encoded) -> KeyValues:
        """Return the source's keys and values."""
        return self.source_attention.keys_values(*encoded)

    def step(
        self, x: Tensor, source: KeyValues, cache: KeyValueCache | None = None, keep: Tensor | None = None
    ) -> Tensor:
        """
        Map x (R, T, D) to (R, T, D); with a cache, x goes on from the positions there.

        Args:
            x: target positions: all of them, or those not yet in the cache.
            source: keys and values of B sentences.
            cache: keys and values of earlier target positions; those of x are added.
            keep: (B, 1, W*T, L*W) bool: which of the cache's then L positions a position of x may read.
        """

        def read_target(y: Tensor) -> Tensor:
            target = self.self_attention.keys_values(y)
            if cache is not None:
                target = cache.append(target, keep)
            # Padding stands at the end, where no real position looks: being causal is mask enough.
            out: Tensor = self.self_attention(y, target, causal=cache is None)
            return out

        x = self.around_self_attention(x, read_target)
        x = self.around_source_attention(x, lambda y: self.source_attention(y, source))
        out: Tensor = self.around_feed_forward(x, self.feed_forward)
        return out
