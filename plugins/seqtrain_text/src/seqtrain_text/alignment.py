"""Where two files of parallel text with different numbers of lines may have parted."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def guess_misalignment(longer: Iterable[str], shorter: Iterable[str]) -> int:
    """
    Guess the line of the longer text, from 1, at which its surplus lines stand.

    Translations have similar lengths. With the surplus at line p, lines before p match those of the same number and
    lines behind it those shifted by the surplus; the p with the best match of lengths is returned. One gap is
    assumed, so with several the answer lies somewhere among them.
    """
    long, short = _log_lengths(longer), _log_lengths(shorter)
    surplus = len(long) - len(short)
    unshifted = np.abs(long[: len(short)] - short)
    shifted = np.abs(long[surplus:] - short)
    before = np.concatenate(([0.0], np.cumsum(unshifted)))  # cost of the lines before p, for each p
    behind = np.concatenate((np.cumsum(shifted[::-1])[::-1], [0.0]))
    return int(np.argmin(before + behind)) + 1


def _log_lengths(lines: Iterable[str]) -> NDArray[np.float64]:
    """Return the logarithm of each line's length, less their median."""
    lengths = np.fromiter(map(len, lines), np.int64)
    logarithms = np.log1p(lengths)
    return logarithms - (np.median(logarithms) if len(logarithms) else 0.0)
