"""
Multi-head attention.

B sentences, R rows (B, or B*W when decoding with a beam of W), T query positions, S key positions, D model size,
H heads, G heads of keys and values, K size of one head. Masks are boolean, True = attend.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name all torch code has for it
from torch import Tensor, nn

from seqtrain_transformer.dropout import dropout
from seqtrain_transformer.rotary import rotate

# Up to these sizes plain matrix products beat the fused kernel on a CPU. Forward and backward of 4,000 tokens, heads of
# 32, 15 to 60 positions: 1.0 to 1.4 times as fast with one thread, 1.4 to 1.7 times with two. Heads of 64: 0.8 and 1.2.
SMALL_HEAD = 32
SHORT = 64


class KeyValues(NamedTuple):
    """
    What attention reads.

    Args:
        keys: (B, G, S, K).
        values: (B, G, S, K).
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
        source: keys and values, (B, G, S, K) each; H / G heads in a row read the same.
        causal: query t may read keys 0 .. t only; T = S, and instead of source.keep.
        dropout_p: share of the weights set to zero.

    Returns:
        (B, H, T, K).

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, equation 1; fewer heads of keys and values: Ainslie et al. 2023,
        arXiv:2305.13245.
    """
    if _plain_is_faster(query, source.keys.shape[2], dropout_p):
        return plain_attention(query, source, causal=causal, dropout_p=dropout_p)
    return F.scaled_dot_product_attention(
        query,
        source.keys,
        source.values,
        attn_mask=source.keep,
        is_causal=causal,
        dropout_p=dropout_p,
        enable_gqa=query.shape[1] != source.keys.shape[1],
    )


def plain_attention(query: Tensor, source: KeyValues, *, causal: bool = False, dropout_p: float = 0.0) -> Tensor:
    """Compute `attend` in single steps, holding all (B, H, T, S) weights."""
    keys, values, keep = source
    if causal:
        keep = torch.ones(query.shape[2], keys.shape[2], dtype=torch.bool, device=query.device).tril()  # (T, S)
    # Heads that read the same keys become further query positions, so that these need not be copied for each.
    sharing = query.shape[1] // keys.shape[1]  # H/G
    grouped = (query * query.shape[-1] ** -0.5).reshape(*keys.shape[:2], -1, keys.shape[3])  # (B, G, H/G*T, K)
    scores = torch.matmul(grouped, keys.transpose(-1, -2))  # (B, G, H/G*T, S)
    if keep is not None:
        # Adding 0 or -inf has no backward pass, unlike filling; the mask is small, the scores are not.
        mask = torch.zeros(keep.shape, dtype=scores.dtype, device=keep.device).masked_fill(~keep, -math.inf)
        if sharing > 1:
            mask = torch.cat([mask.expand(*mask.shape[:-2], query.shape[2], -1)] * sharing, dim=-2)
        scores += mask
    weights = dropout(scores.softmax(dim=-1), dropout_p)
    return torch.matmul(weights, values).view(query.shape)  # (B, H, T, K)


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
        key_value_heads: G, a divisor of H; None: H.
    """

    def __init__(self, dim: int, num_heads: int, dropout: float, key_value_heads: int | None = None) -> None:
        super().__init__()
        self.head_dim = dim // num_heads
        self.dropout = dropout
        key_value_dim = (key_value_heads or num_heads) * self.head_dim
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, key_value_dim)
        self.value = nn.Linear(dim, key_value_dim)
        self.output = nn.Linear(dim, dim)
        # The three are initialised as if they were one matrix with 3D outputs, after fairseq: hence not the full gain.
        for projection, gain in ((self.query, 0.5), (self.key, 0.5), (self.value, 0.5), (self.output, 1.0)):
            nn.init.xavier_uniform_(projection.weight, gain=math.sqrt(gain))
            nn.init.zeros_(projection.bias)

    def keys_values(self, x: Tensor, keep: Tensor | None = None, rotation: Tensor | None = None) -> KeyValues:
        """
        Project x (B, S, D) to what is read.

        Args:
            x: of any source.
            keep: see `KeyValues`.
            rotation: of S positions, by which keys are turned, if at all.
        """
        keys = self.key(x) if rotation is None else rotate(self.key(x), rotation)  # (B, S, G*K)
        return KeyValues(self._split_heads(keys), self._split_heads(self.value(x)), keep)

    def forward(self, x: Tensor, source: KeyValues, *, causal: bool = False, rotation: Tensor | None = None) -> Tensor:
        """
        Let each position of x read from source.

        Args:
            x: (R, T, D). If R = B*W, the W rows of a sentence read the same source.
            source: of B sentences; its mask is for W*T queries, row by row.
            causal: see `attend`.
            rotation: of T positions, by which queries are turned, if at all.

        Returns:
            (R, T, D).
        """
        query = self.query(x) if rotation is None else rotate(self.query(x), rotation)  # (R, T, D)
        # Rows of one sentence become further query positions, so that its keys need not be copied for each.
        query = self._split_heads(query.view(len(source.keys), -1, x.shape[-1]))  # (B, H, W*T, K)
        heads = attend(query, source, causal=causal, dropout_p=self.dropout if self.training else 0.0)  # (B, H, W*T, K)
        out: Tensor = self.output(heads.transpose(1, 2).reshape(x.shape))  # (R, T, D)
        return out

    def _split_heads(self, x: Tensor) -> Tensor:
        num_heads = x.shape[2] // self.head_dim  # H, or G
        return x.view(*x.shape[:2], num_heads, self.head_dim).transpose(1, 2)  # (B, H, T, K)
