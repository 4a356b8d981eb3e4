"""
Multi-head attention.

B sentences, R rows (B, or B*W when decoding with a beam of W), T query positions, S key positions, D model size,
H heads, K size of one head. Masks are boolean, True = attend.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name all torch code has for it
from torch import Tensor, nn

from seqtrain_transformer.dropout import dropout

# Up to these sizes plain matrix products beat the fused kernel on a CPU. Forward and backward of 4,000 tokens, heads of
# 32, 15 to 60 positions: 1.0 to 1.4 times as fast with one thread, 1.4 to 1.7 times with two. Heads of 64: 0.8 and 1.2.
SMALL_HEAD = 32
SHORT = 64


class KeyValues(NamedTuple):
    """
    What attention reads.

    Args:
        keys: (B, H, S, K).
        values: (B, H, S, K).
        keep: bool, broadcast to (B, H, T, S), True at keys that a query may read; None if it may read all.
    """

    keys: Tensor
    values: Tensor
    keep: Tensor | None = None

    def select(self, sentences: Tensor) -> KeyValues:
        """Return those of these sentences, (B',) int64."""
        keep = None if self.keep is None else self.keep.index_select(0, sentences)
        return KeyValues(self.keys.index_select(0, sentences), self.values.index_select(0, sentences), keep)


def attend(query: Tensor, source: KeyValues, *, causal: bool = False, dropout_p: float = 0.0) -> Tensor:
    """
    Average the values with weights softmax(query keys^T / sqrt(K)).

    Args:
        query: (B, H, T, K).
        source: keys and values, (B, H, S, K) each.
        causal: query t may read keys 0 .. t only; T = S, and instead of source.keep.
        dropout_p: share of the weights set to zero.

    Returns:
        (B, H, T, K).

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, equation 1.
    """
    if _plain_is_faster(query, source.keys.shape[2], dropout_p):
        return plain_attention(query, source, causal=causal, dropout_p=dropout_p)
    return F.scaled_dot_product_attention(
        query, source.keys, source.values, attn_mask=source.keep, is_causal=causal, dropout_p=dropout_p
    )


def plain_attention(query: Tensor, source: KeyValues, *, causal: bool = False, dropout_p: float = 0.0) -> Tensor:
    """Compute `attend` in single steps, holding all (B, H, T, S) weights."""
    keys, values, keep = source
    if causal:
        keep = torch.ones(query.shape[2], keys.shape[2], dtype=torch.bool, device=query.device).tril()  # (T, S)
    scores = torch.matmul(query * query.shape[-1] ** -0.5, keys.transpose(-1, -2))  # (B, H, T, S)
    if keep is not None:
        # Adding 0 or -inf has no backward pass, unlike filling; the mask is small, the scores are not.
        scores += torch.zeros(keep.shape, dtype=scores.dtype, device=keep.device).masked_fill(~keep, -math.inf)
    return torch.matmul(dropout(scores.softmax(dim=-1), dropout_p), values)  # (B, H, T, K)


def _plain_is_faster(query: Tensor, num_keys: int, dropout_p: float) -> bool:
    if query.device.type != "cpu":
        return False
    # With dropout the CPU has no fused kernel, and our dropout is cheaper than the one in torch's fallback.
    return dropout_p > 0 or (query.shape[-1] <= SMALL_HEAD and num_keys <= SHORT)


class MultiHeadAttention(nn.Module):
    """
    Attention of H heads between projections of queries, keys and values.

    Args:
        dim: D.
        num_heads: H, a divisor of D.
        dropout: share of the attention weights set to zero in training.
    """

    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)
        # The three are initialised as if they were one matrix with 3D outputs, after fairseq: hence not the full gain.
        for projection, gain in ((self.query, 0.5), (self.key, 0.5), (self.value, 0.5), (self.output, 1.0)):
            nn.init.xavier_uniform_(projection.weight, gain=math.sqrt(gain))
            nn.init.zeros_(projection.bias)

    def keys_values(self, x: Tensor, keep: Tensor | None = None) -> KeyValues:
        """Project x (B, S, D) to what is read; keep is (B, 1, 1, S) bool, True at real tokens, or None if all are."""
        return KeyValues(self._split_heads(self.key(x)), self._split_heads(self.value(x)), keep)

    def forward(self, x: Tensor, source: KeyValues, *, causal: bool = False) -> Tensor:
        """
        Let each position of x read from source.

        Args:
            x: (R, T, D). If R = B*W, the W rows of a sentence read the same source.
            source: of B sentences; its mask is for W*T queries, row by row.
            causal: see `attend`.

        Returns:
            (R, T, D).
        """
        # Rows of one sentence become further query positions, so that its keys need not be copied for each.
        query = self._split_heads(self.query(x).view(len(source.keys), -1, x.shape[-1]))  # (B, H, W*T, K)
        heads = attend(query, source, causal=causal, dropout_p=self.dropout if self.training else 0.0)  # (B, H, W*T, K)
        out: Tensor = self.output(heads.transpose(1, 2).reshape(x.shape))  # (R, T, D)
        return out

    def _split_heads(self, x: Tensor) -> Tensor:
        batch, length, dim = x.shape
        return x.view(batch, length, self.num_heads, dim // self.num_heads).transpose(1, 2)  # (B, H, T, K)
