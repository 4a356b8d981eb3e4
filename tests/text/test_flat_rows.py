"""Rows one after the other: taken out, put together, ended, batched."""

from __future__ import annotations

import numpy as np
import pytest

from seqtrain_text.flat_rows import FlatRows, ended_rows, in_order, similar_lengths

EOS = 2
ROWS = np.array([7, 7, 7, 8, 8], np.int32), np.array([3, 0, 2])


def lists(rows: FlatRows) -> list[list[int]]:
    """Return the rows as lists."""
    return [row.tolist() for row in np.split(rows.tokens, np.cumsum(rows.lengths)[:-1])]


def test_rows_are_taken_in_any_order() -> None:
    """Also twice, or none of them."""
    rows = FlatRows(*ROWS)

    assert [[8, 8], [7, 7, 7], [], [8, 8]] == lists(rows.take(np.array([2, 0, 1, 2])))
    assert 0 == len(rows.take(np.array([], np.int64)).tokens)


def test_pieces_are_put_in_order() -> None:
    """Row order[i] of all pieces becomes row i."""
    pieces = [(np.array([5, 6]), np.array([1, 1])), (np.array([7, 7, 8]), np.array([2, 1]))]

    assert [[8], [5], [7, 7], [6]] == lists(in_order(pieces, np.array([3, 0, 2, 1])))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, [[7, 7, 7, EOS], [EOS], [8, 8, EOS]]),
        ({"max_length": 3}, [[7, 7, EOS], [EOS], [8, 8, EOS]]),
        ({"max_length": 1}, [[EOS], [EOS], [EOS]]),
        ({"keep": np.array([False, True, True])}, [[EOS], [8, 8, EOS]]),
        ({"keep": np.array([True, False, False]), "max_length": 2}, [[7, EOS]]),
    ],
)
def test_rows_are_ended_and_cut(rules, expected) -> None:
    """The end counts."""
    assert expected == lists(ended_rows(ROWS, EOS, **rules))


def test_no_rows_have_no_ends() -> None:
    """Whether there were none, or none is kept."""
    nothing = np.array([], np.int32), np.array([], np.int64)

    for rows in (ended_rows(nothing, EOS), ended_rows(ROWS, EOS, keep=np.zeros(3, bool))):
        assert (0, 0) == (len(rows.tokens), len(rows.lengths))


def test_batches_are_of_similar_length() -> None:
    """Longest first; each holds as many rows as the longest of them allows, and at least one."""
    batches = [each.tolist() for each in similar_lengths(np.array([2, 9, 3, 2, 4]), 8)]

    assert [[1], [4, 2], [0, 3]] == batches
    assert [] == list(similar_lengths(np.array([], np.int64), 8))
