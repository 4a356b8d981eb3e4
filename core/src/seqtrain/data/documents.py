"""Rows that hold several documents, for models that read a row from one end to the other."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def apply_to_documents(read: Callable[[Tensor], Tensor], tokens: Tensor, documents: Tensor, padding: int) -> Tensor:
    """
    Let a model read each document in a row of its own, in which nothing is before it.

    B rows, T positions, N documents, L tokens of the longest document, D size of a vector.

    Args:
        read: maps tokens (N, L) to vectors (N, L, D); documents are padded on the right.
        tokens: (B, T) int64.
        documents: (B, T) int64, which document a token is of.
        padding: the id that fills up rows.

    Returns:
        The vectors where the tokens were, (B, T, D).
    """
    index = torch.arange(tokens.shape[1], device=tokens.device)
    is_first = torch.ones_like(documents, dtype=torch.bool)
    is_first[:, 1:] = documents[:, 1:] != documents[:, :-1]
    row = is_first.flatten().cumsum(0).view_as(documents) - 1  # (B, T): in which row a token now stands
    place = index - (index * is_first).cummax(dim=1).values  # (B, T): and where in it
    apart = tokens.new_full((int(row.max()) + 1, int(place.max()) + 1), padding)  # (N, L)
    apart[row, place] = tokens
    return read(apart)[row, place]
