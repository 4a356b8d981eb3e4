"""
Rows that hold several documents, taken apart.

B rows, T positions, N documents, L tokens of the longest document, D size of a vector.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Documents(NamedTuple):
    """
    Documents, each in a row of its own, and where their tokens were.

    Args:
        tokens: (N, L) int64, padded on the right.
        row: (B, T) int64, in which row a token now stands.
        place: (B, T) int64, and where in it.
    """

    tokens: Tensor
    row: Tensor
    place: Tensor

    def put_back(self, vectors: Tensor) -> Tensor:
        """Return the vectors (N, L, D) of the documents' tokens where those were, (B, T, D)."""
        return vectors[self.row, self.place]


def take_apart(tokens: Tensor, documents: Tensor, padding: int) -> Documents:
    """
    Give each document a row of its own, in which nothing is before it.

    Args:
        tokens: (B, T) int64.
        documents: (B, T) int64, which document a token is of.
        padding: the id that fills up rows.
    """
    index = torch.arange(tokens.shape[1], device=tokens.device)
    is_first = torch.ones_like(documents, dtype=torch.bool)
    is_first[:, 1:] = documents[:, 1:] != documents[:, :-1]
    row = is_first.flatten().cumsum(0).view_as(documents) - 1
    place = index - (index * is_first).cummax(dim=1).values
    rows = tokens.new_full((int(row.max()) + 1, int(place.max()) + 1), padding)
    rows[row, place] = tokens
    return Documents(rows, row, place)
