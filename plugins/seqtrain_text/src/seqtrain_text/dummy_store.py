"""Made-up rows of token ids, in the place of those of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqtrain_text.dummy_config import DummyConfig
from seqtrain_text.padded import ranges
from seqtrain_text.tokenizer import EOS, SPECIAL_TOKENS, digest

IntArray = NDArray[np.int64]


class DummyStore:
    """
    Rows drawn at random, each ended by eos: a function of (seed, stream, row), made when asked for.

    Only where rows begin is held in memory.

    Args:
        config: how long rows are, and of which ids.
        size: how many there are.
        stream: another name, other rows: each side of each split has its own.
    """

    unit = "example"
    found: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, config: DummyConfig, size: int, *, stream: str) -> None:
        self._num_ids = config.vocab_size - len(SPECIAL_TOKENS)
        for_lengths, self._key = np.random.SeedSequence([config.seed, *stream.encode()]).generate_state(2, np.uint64)
        drawn = scramble(np.arange(size), for_lengths) % np.uint64(config.length - config.shortest + 1)
        self._offsets: IntArray = np.concatenate([[0], np.cumsum(config.shortest + drawn.astype(np.int64))])
        self.fingerprint = digest(repr(("made up", astuple(config), size, stream)).encode())
        self.num_tokens = int(self._offsets[-1])

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def lengths(self, start: int, stop: int) -> IntArray:
        """Return the lengths of rows [start, stop), eos included."""
        return np.diff(self._offsets[start : stop + 1])

    def read(self, starts: IntArray, lengths: IntArray) -> IntArray:
        """Return spans of all rows' tokens, one row after the other: [start, start + length) of each."""
        places = ranges(starts, lengths)
        tokens = len(SPECIAL_TOKENS) + (scramble(places, self._key) % np.uint64(self._num_ids)).astype(np.int64)
        is_end = self._offsets[np.searchsorted(self._offsets, places, side="right")] == places + 1
        return np.where(is_end, EOS, tokens)

    def row_at(self, token: int) -> int:
        """Return the row that a token of all rows, counted from 0, is in."""
        return int(np.searchsorted(self._offsets, token, side="right")) - 1

    def gather(self, indices: IntArray) -> tuple[IntArray, IntArray]:
        """Return the tokens of these rows, one row after the other, and the rows' lengths."""
        lengths = self._offsets[indices + 1] - self._offsets[indices]
        return self.read(self._offsets[indices], lengths), lengths

    def line_number(self, index: int) -> int:
        """Return the number of a row, from 1."""
        return index + 1

    def line_numbers(self, indices: IntArray) -> IntArray:
        """Return the numbers of rows, from 1."""
        return indices + 1

    def describe(self, index: int) -> str:
        """Return the number of a row."""
        return f"made-up example {index + 1}"


def scramble(numbers: IntArray, key: np.uint64) -> NDArray[np.uint64]:
    """
    Turn each number into 64 random bits, that of the number and the key alone.

    Source:
        The generator splitmix64; Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195.
    """
    bits = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + key
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
    scrambled: NDArray[np.uint64] = bits ^ (bits >> np.uint64(31))
    return scrambled
