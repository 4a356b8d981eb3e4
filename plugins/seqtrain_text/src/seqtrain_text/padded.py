"""
Rows of different lengths as arrays: one after the other (flat), or side by side with padding.

B rows, T positions of the longest.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


def ranges(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """
    Return start, start + 1, ... for each start and length, one after the other.

    Example:
        >>> ranges(np.array([5, 0]), np.array([3, 2])).tolist()
        [5, 6, 7, 0, 1]
    """
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(total)


def pad_rows(
    tokens: NDArray[Number], lengths: NDArray[np.int64], padding: int, *, left: bool = False
) -> NDArray[Number]:
    """
    Put flat rows side by side.

    Args:
        tokens: the rows, one after the other.
        lengths: (B,) their lengths, which add up to the tokens.
        padding: what fills up shorter rows.
        left: put the padding before a row, not after it.

    Returns:
        (B, T) of the same dtype.

    Example:
        >>> pad_rows(np.array([7, 8, 9]), np.array([1, 2]), 0).tolist()
        [[7, 0], [8, 9]]
    """
    longest = int(lengths.max(initial=0))
    columns = np.arange(longest)
    real = columns >= longest - lengths[:, None] if left else columns < lengths[:, None]  # (B, T)
    rows = np.full(real.shape, padding, tokens.dtype)
    rows[real] = tokens
    return rows


def shift_right(tokens: NDArray[Number], lengths: NDArray[np.int64], first: int) -> NDArray[Number]:
    """
    Turn flat target rows into the decoder's input: each row `[a b eos]` becomes `[first a b]`.

    Args:
        tokens: the rows, one after the other; none is empty.
        lengths: (B,) their lengths.
        first: the token that the decoder starts from.

    Example:
        >>> shift_right(np.array([7, 8, 2, 9, 2]), np.array([3, 2]), 1).tolist()
        [1, 7, 8, 1, 9]
    """
    shifted = np.roll(tokens, 1)
    shifted[np.cumsum(lengths) - lengths] = first
    return shifted
