"""
The layers that stacks are made of.

B sentences, R rows (B, or B*W when decoding with a beam of W), S source positions, T positions, D model size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from seqtrain_transformer.attention import KeyValues, MultiHeadAttention
from seqtrain_transformer.config import LayerConfig
from seqtrain_transformer.decoding_state import KeyValueCache
from seqtrain_transformer.dropout import Dropout
from seqtrain_transformer.feed_forward import make_feed_forward
from seqtrain_transformer.layout import Layout
from seqtrain_transformer.norm import make_norm


class Residual(nn.Module):
    """
    Add a sublayer's output to its input, with dropout, and normalise before (pre-norm) or after (post-norm).

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, section 5.4 (after); Xiong et al. 2020, arXiv:2002.04745 (before).
    """

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.norm = make_norm(config)
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


def _attention(config: LayerConfig) -> MultiHeadAttention:
    return MultiHeadAttention(
        config.embed_dim, config.attention_heads, config.attention_dropout, config.key_value_heads
    )


def self_attention(
    attention: MultiHeadAttention, x: Tensor, layout: Layout, cache: KeyValueCache | None = None
) -> Tensor:
    """
    Let positions x (R, T, D) read each other and, with a cache, those before them, to which they are added.

    Args:
        attention: the projections.
        x: all positions, or those not yet in the cache.
        layout: with a cache of L positions after this, `keep` is (B, 1, W*T, L*W).
        cache: keys and values of earlier positions.
    """
    source = attention.keys_values(x, layout.keep, layout.rotation)
    if cache is not None:
        source = cache.append(source)
    out: Tensor = attention(x, source, causal=layout.causal, rotation=layout.rotation)
    return out


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward network: the layer of encoders and of language models."""

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.attention = _attention(config)
        self.around_attention = Residual(config)
        self.feed_forward = make_feed_forward(config)
        self.around_feed_forward = Residual(config)

    def forward(self, x: Tensor, layout: Layout, cache: KeyValueCache | None = None) -> Tensor:
        """Map x (R, T, D) to (R, T, D); see `self_attention`."""
        x = self.around_attention(x, lambda y: self_attention(self.attention, y, layout, cache))
        out: Tensor = self.around_feed_forward(x, self.feed_forward)
        return out


class Encoded(NamedTuple):
    """
    What the encoder makes of the source.

    Args:
        vectors: (B, S, D).
        keep: (B, 1, 1, S) bool, True at real tokens; None if all are.
    """

    vectors: Tensor
    keep: Tensor | None


class DecoderLayer(nn.Module):
    """Self-attention, attention to the source, and a feed-forward network."""

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.self_attention = _attention(config)
        self.around_self_attention = Residual(config)
        self.source_attention = _attention(config)
        self.around_source_attention = Residual(config)
        self.feed_forward = make_feed_forward(config)
        self.around_feed_forward = Residual(config)

    def read_source(self, encoded: Encoded) -> KeyValues:
        """Return the source's keys and values."""
        return self.source_attention.keys_values(*encoded)

    def forward(
        self, x: Tensor, layout: Layout, source: Encoded | KeyValues, cache: KeyValueCache | None = None
    ) -> Tensor:
        """
        Map target positions x (R, T, D) to (R, T, D).

        Args:
            x: see `self_attention`, and so for `layout` and `cache`.
            layout: of the target.
            source: of B sentences; as `read_source` has made it, or to be read by it.
            cache: of the target.
        """
        read = self.read_source(source) if isinstance(source, Encoded) else source
        x = self.around_self_attention(x, lambda y: self_attention(self.self_attention, y, layout, cache))
        x = self.around_source_attention(x, lambda y: self.source_attention(y, read))
        out: Tensor = self.around_feed_forward(x, self.feed_forward)
        return out
