"""
Where blocks begin and end in the tokens of a file, line after line.

A line's tokens include its end, so an empty line has one.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field

EMPTY = 1  # tokens of an empty line
Span = tuple[int, int]
"""First token of a block, counted from the beginning of the file, and how many tokens it has."""


@dataclass
class LineSegmenter:
    """
    Cuts a file into blocks of whole lines, as far as lines allow it.

    Args:
        break_mode: "complete", "complete_doc" or "eos"; see `LMConfig`.
        size: most tokens of a block.
        too_long: "split", "truncate" or "skip" lines above that; for "error" see `num_too_long`.
        num_too_long: lines above the size.
        first_too_long: the first such line's number, from 0.
        num_empty: empty lines that belong to no block, as they only separate.
    """

    break_mode: str
    size: int
    too_long: str
    num_too_long: int = field(default=0, init=False)
    first_too_long: int = field(default=0, init=False)
    num_empty: int = field(default=0, init=False)

    def __call__(self, lengths: Iterable[int]) -> Iterator[Span]:
        """Yield the blocks of a file, given the lengths of its lines."""
        start = stop = 0  # of the block that is being filled
        for number, length in enumerate(lengths):
            is_separator = length == EMPTY and self.break_mode != "complete"
            if stop > start and (is_separator or self.break_mode == "eos" or stop - start + length > self.size):
                yield start, stop - start
                start = stop
            if is_separator:
                self.num_empty += 1
                start = stop = stop + length
            elif length > self.size:
                rest = yield from self._over_long(number, stop, length)
                stop += length
                start = stop - rest
            else:
                stop += length
        if stop > start:
            yield start, stop - start

    def _over_long(self, number: int, start: int, length: int) -> Generator[Span, None, int]:
        """Yield the blocks of a line above the size, and return how many of its tokens are left for the next one."""
        self.first_too_long = self.first_too_long if self.num_too_long else number
        self.num_too_long += 1
        if self.too_long == "skip":
            return 0
        whole = 1 if self.too_long == "truncate" else length // self.size
        yield from ((start + index * self.size, self.size) for index in range(whole))
        return length % self.size if self.too_long == "split" else 0
