"""Rows of different lengths: padded on either side, shifted for the decoder."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqtrain_text.padded import pad_rows, ranges, shift_right

TOKENS = np.array([5, 6, 2, 7, 2, 2])
LENGTHS = np.array([3, 2, 1])


def test_rows_are_padded_on_the_right():
    """Shorter rows are filled up behind their last token."""
    assert [[5, 6, 2], [7, 2, 0], [2, 0, 0]] == pad_rows(TOKENS, LENGTHS, 0).tolist()


def test_rows_are_padded_on_the_left():
    """With left=True the padding comes first."""
    assert [[5, 6, 2], [9, 7, 2], [9, 9, 2]] == pad_rows(TOKENS, LENGTHS, 9, left=True).tolist()


def test_shifting_puts_the_first_token_before_each_row_and_drops_its_last():
    """`[a b eos]` becomes `[bos a b]`."""
    shifted = shift_right(TOKENS, LENGTHS, 1)

    assert [1, 5, 6, 1, 7, 1] == shifted.tolist()
    assert [5, 6, 2, 7, 2, 2] == TOKENS.tolist()


def test_no_rows_are_an_empty_array():
    """Nothing in, nothing out."""
    none = np.array([], np.int64)

    assert pad_rows(none, none, 0).shape == (0, 0)
    assert ranges(none, none).shape == shift_right(none, none, 1).shape == (0,)


@given(st.lists(st.lists(st.integers(1, 100), max_size=6), max_size=8), st.booleans())
def test_padding_loses_and_moves_nothing(rows, left):
    """Removing the padding gives the rows back in order."""
    flat = np.array([token for row in rows for token in row], np.int64)
    padded = pad_rows(flat, np.array([len(row) for row in rows], np.int64), 0, left=left)

    assert rows == [[token for token in row if token] for row in padded.tolist()]
    assert padded.shape[1] == max(map(len, rows), default=0)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 5))))
def test_ranges_are_those_of_python(pairs):
    """Every start and length gives what `range` gives."""
    starts, lengths = np.array(pairs, np.int64).reshape(-1, 2).T

    assert [i for start, length in pairs for i in range(start, start + length)] == ranges(starts, lengths).tolist()
