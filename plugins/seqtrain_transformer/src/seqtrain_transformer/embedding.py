"""
Tokens to vectors.

B sequences, T positions, D model size, V vocabulary.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from seqtrain_transformer.dropout import Dropout


def token_table(vocab_size: int, dim: int, padding: int) -> nn.Embedding:
    """Return a table (V, D), normal with variance 1/D, whose padding row is zero and gets no gradient as an input."""
    table = nn.Embedding(vocab_size, dim, padding_idx=padding)
    nn.init.normal_(table.weight, std=dim**-0.5)
    with torch.no_grad():
        table.weight[padding].zero_()
    return table


class Embedding(nn.Module):
    """
    Token vectors times sqrt(D), plus positions, then dropout.

    Args:
        tokens: the table (V, D); may be shared with other layers.
        positions: `SinusoidalPositions` or `LearnedPositions`.
        dropout: see `dropout.dropout`.
    """

    def __init__(self, tokens: nn.Embedding, positions: nn.Module, dropout: float) -> None:
        super().__init__()
        self.tokens = tokens
        self.positions = positions
        self.dropout = Dropout(dropout)
        self.scale = math.sqrt(tokens.embedding_dim)

    def forward(self, tokens: Tensor, start: int = 0) -> Tensor:
        """Embed tokens (B, T) int64 as (B, T, D), the first of a row standing at index `start` of its sequence."""
        embedded = self.tokens(tokens)  # (B, T, D)
        summed = torch.add(self.positions(embedded, start), embedded, alpha=self.scale)  # (B, T, D)
        out: Tensor = self.dropout(summed)
        return out
