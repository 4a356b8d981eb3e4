"""Rows of tokens, one after the other: put together, ended, and taken out again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqtrain.api import Rows
from seqtrain_text.padded import ranges

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class FlatRows:
    """
    Rows of tokens, one after the other.

    Args:
        tokens: the ids of all rows.
        lengths: (B,) how many each row has.
    """

    tokens: NDArray[Any]
    lengths: IntArray

    def take(self, chosen: IntArray) -> FlatRows:
        """Return these rows, in this order."""
        starts = np.cumsum(self.lengths) - self.lengths
        return FlatRows(self.tokens[ranges(starts[chosen], self.lengths[chosen])], self.lengths[chosen])


def in_order(pieces: Sequence[tuple[IntArray, IntArray]], order: IntArray) -> FlatRows:
    """Put flat rows, tokens and lengths, together; row `order[i]` of all pieces becomes row i."""
    if len(pieces) == 1:
        return FlatRows(*pieces[0])  # a single file's rows are in order already
    tokens, lengths = (np.concatenate(each) for each in zip(*pieces, strict=True))
    return FlatRows(tokens, lengths).take(order)


def ended_rows(
    rows: Rows, eos: int, *, max_length: int | None = None, keep: NDArray[np.bool_] | None = None
) -> FlatRows:
    """
    Put eos at the end of rows.

    Args:
        rows: tokens and lengths, as a tokenizer gives them.
        eos: what ends a row.
        max_length: cut rows that would have more tokens, eos included.
        keep: (B,) leave out the others.
    """
    tokens, lengths = rows
    starts = np.cumsum(lengths) - lengths
    if keep is not None:
        starts, lengths = starts[keep], lengths[keep]
    if max_length is not None:
        lengths = np.minimum(lengths, max_length - 1)
    ends = np.cumsum(lengths + 1)
    ended = np.full(int(ends[-1]) if len(ends) else 0, eos, tokens.dtype)
    is_text = np.ones(len(ended), bool)
    is_text[ends - 1] = False
    ended[is_text] = tokens[ranges(starts, lengths)]
    return FlatRows(ended, lengths + 1)


def similar_lengths(lengths: IntArray, max_tokens: int) -> Iterator[IntArray]:
    """Yield the indices of all rows, in batches of similar length, longest first, `max_tokens` with padding in each."""
    order = np.argsort(-lengths, kind="stable")
    while len(order):
        size = max(1, max_tokens // max(int(lengths[order[0]]), 1))
        yield order[:size]
        order = order[size:]
