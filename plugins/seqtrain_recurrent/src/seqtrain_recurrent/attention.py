"""
Attention to the source.

B sentences, R rows (B, or B*W when decoding with a beam of W), S source positions, U units of the source's vectors,
D units of a query.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Source(NamedTuple):
    """
    What attention reads.

    Args:
        keys: (B, S, D).
        values: (B, S, U).
        is_padding: (B, 1, S) bool.
    """

    keys: Tensor
    values: Tensor
    is_padding: Tensor

    def select(self, sentences: Tensor) -> Source:
        """Return these sentences only, (B',) int64."""
        return Source(*(each.index_select(0, sentences) for each in self))


class Attention(nn.Module):
    """
    Compare a state with every source position, and mix what these hold into it.

    Args:
        query_dim: D.
        source_dim: U.

    Source:
        Luong et al. 2015, arXiv:1508.04025, equations 5, 7 and 8 ("general").
    """

    def __init__(self, query_dim: int, source_dim: int) -> None:
        super().__init__()
        self.key = nn.Linear(source_dim, query_dim, bias=False)
        self.output = nn.Linear(source_dim + query_dim, query_dim, bias=False)

    def read(self, vectors: Tensor, is_real: Tensor) -> Source:
        """Prepare the source's vectors (B, S, U), once a sentence; is_real (B, S) bool is False at padding."""
        return Source(self.key(vectors), vectors, ~is_real[:, None])

    def forward(self, queries: Tensor, source: Source) -> Tensor:
        """Return attentional states (R, D) of queries (R, D); R is a multiple of the source's B."""
        by_sentence = queries.reshape(len(source.keys), -1, queries.shape[1])  # (B, W, D)
        weights = attention_weights(by_sentence, source)  # (B, W, S)
        context = torch.bmm(weights.to(source.values.dtype), source.values).flatten(0, 1)  # (R, U)
        out: Tensor = self.output(torch.cat((context, queries), dim=1)).tanh()
        return out


def attention_weights(queries: Tensor, source: Source) -> Tensor:
    """Return how much queries (B, W, D) attend to each source position, (B, W, S)."""
    scores = torch.bmm(queries.to(source.keys.dtype), source.keys.transpose(1, 2))  # (B, W, S)
    return scores.float().masked_fill(source.is_padding, -torch.inf).softmax(-1)
