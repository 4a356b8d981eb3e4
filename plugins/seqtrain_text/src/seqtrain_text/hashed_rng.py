"""
Random numbers for the words of lines: a function of a key, the line and the word's place, on every machine.

Whoever draws for a line need not know what was drawn before, in which process, or for which lines beside it.
sentencepiece draws splits too, but since its version 0.2.2 what it draws differs from process to process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Seeds = NDArray[np.uint64]

_STEP, _MIX_1, _MIX_2 = (np.uint64(each) for each in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_SHIFT_1, _SHIFT_2, _SHIFT_3, _SPARE_BITS = (np.uint64(each) for each in (30, 27, 31, 64 - 53))


def word_seeds(lines: Sequence[str], num_words: NDArray[np.int64], key: object) -> Seeds:
    """
    Return a seed for each word.

    Args:
        lines: the lines.
        num_words: how many words each line has.
        key: other keys, other seeds.
    """
    hashed = b"".join(hashlib.blake2b(f"{key} {line}".encode(), digest_size=8).digest() for line in lines)
    first = np.repeat(np.cumsum(num_words) - num_words, num_words)
    places = np.arange(len(first)) - first
    return _mixed(np.repeat(np.frombuffer(hashed, "<u8").astype(np.uint64), num_words), places)


def uniform(seeds: Seeds, draw: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each seed, another one for each `draw`."""
    bits = _mixed(seeds, np.full(len(seeds), draw)) >> _SPARE_BITS
    return np.asarray(bits * 2.0**-53, np.float64)


def _mixed(seeds: Seeds, numbers: NDArray[np.int64]) -> Seeds:
    """Mix a number into each seed, as SplitMix64 does."""
    bits: Seeds = seeds + (numbers.astype(np.uint64) + np.uint64(1)) * _STEP
    bits = (bits ^ (bits >> _SHIFT_1)) * _MIX_1
    bits = (bits ^ (bits >> _SHIFT_2)) * _MIX_2
    return np.asarray(bits ^ (bits >> _SHIFT_3), np.uint64)
