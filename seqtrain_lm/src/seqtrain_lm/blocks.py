"""
The blocks of one file, by number.

A block is one or, packed, several spans ("spans") of the file's tokens. B blocks, S spans.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Protocol

import numpy as np

from seqtrain.api import DataError
from seqtrain_lm.mapped_array import IntArray, Numbers
from seqtrain_lm.packing import best_fit
from seqtrain_lm.segmentation import LineSegmenter, Span
from seqtrain_text.padded import ranges
from seqtrain_text.row_store import RowStore

logger = logging.getLogger(__name__)

CHUNK = 1 << 16  # lines, blocks or tokens looked at together


@dataclass(frozen=True)
class Spans:
    """
    The spans of some blocks, one block after the other.

    Args:
        starts: (S,) the first token of each, counted from the beginning of the file.
        lengths: (S,) how many tokens each has.
        per_block: (B,) how many spans each block has.
    """

    starts: IntArray
    lengths: IntArray
    per_block: IntArray


class Blocks(Protocol):
    """
    Blocks by number.

    Attributes:
        odd: how many lines became no block as they are, by what became of them.
    """

    odd: Mapping[str, int]

    def __len__(self) -> int: ...

    def lengths(self, start: int, stop: int) -> IntArray:
        """Return how many tokens blocks [start, stop) have."""
        ...

    def spans(self, indices: IntArray) -> Spans:
        """Return the spans of these blocks."""
        ...


class EvenBlocks:
    """
    Blocks of one length, cut wherever they are full; nothing about them needs to be kept.

    Args:
        num_tokens: of the file.
        size: tokens of a block; the last one may have fewer.
        every: tokens from the beginning of a block to that of the next; 1 gives a block at every token, all full.
    """

    def __init__(self, num_tokens: int, size: int, *, every: int) -> None:
        self._num_tokens, self._size, self._every = num_tokens, size, every
        self.odd: Mapping[str, int] = {}
        last = max(num_tokens - size, 0) if every < size else num_tokens - 1
        self._count = last // every + 1

    def __len__(self) -> int:
        return self._count

    def lengths(self, start: int, stop: int) -> IntArray:
        """Return how many tokens blocks [start, stop) have."""
        return np.minimum(self._size, self._num_tokens - np.arange(start, stop) * self._every)

    def spans(self, indices: IntArray) -> Spans:
        """Return the spans of these blocks, one each."""
        starts = indices * self._every
        return Spans(starts, np.minimum(self._size, self._num_tokens - starts), np.ones_like(indices))


class ListedBlocks:
    """
    Blocks of one span each, of any length.

    Args:
        spans: all of them.
    """

    def __init__(self, spans: Iterable[Span]) -> None:
        self.odd: Mapping[str, int] = {}
        with Numbers(2) as self._spans:
            for chunk in _in_chunks(spans):
                self._spans.append(chunk)

    def __len__(self) -> int:
        return len(self._spans)

    def lengths(self, start: int, stop: int) -> IntArray:
        """Return how many tokens blocks [start, stop) have."""
        return self._spans.rows(start, stop)[:, 1]

    def spans(self, indices: IntArray) -> Spans:
        """Return the spans of these blocks, one each."""
        starts, lengths = self._spans.take(indices).T
        return Spans(starts, lengths, np.ones_like(indices))


class PackedBlocks:
    """
    Blocks of several spans each, best fit among every `CHUNK` spans.

    Args:
        spans: all of them, at most `size` tokens each.
        size: most tokens of a block.
    """

    def __init__(self, spans: Iterable[Span], size: int) -> None:
        self.odd: Mapping[str, int] = {}
        first = 0
        # A block's first span, its number of spans and of tokens.
        with Numbers(2) as self._spans, Numbers(3) as self._blocks:
            for chunk in _in_chunks(spans):
                packed = best_fit(chunk[:, 1].tolist(), size)
                ordered = chunk[list(chain.from_iterable(packed))]
                counts = np.array([len(each) for each in packed], np.int64)
                firsts = np.cumsum(counts) - counts
                tokens = np.add.reduceat(ordered[:, 1], firsts)
                self._spans.append(ordered)
                self._blocks.append(np.stack([first + firsts, counts, tokens], axis=1))
                first += len(chunk)

    def __len__(self) -> int:
        return len(self._blocks)

    def lengths(self, start: int, stop: int) -> IntArray:
        """Return how many tokens blocks [start, stop) have."""
        return self._blocks.rows(start, stop)[:, 2]

    def spans(self, indices: IntArray) -> Spans:
        """Return the spans of these blocks."""
        firsts, counts, _ = self._blocks.take(indices).T
        starts, lengths = self._spans.take(ranges(firsts, counts)).T
        return Spans(starts, lengths, counts)


@dataclass(frozen=True, kw_only=True)
class BlockRules:
    """
    How files become blocks; see `LMConfig` for all.

    Args:
        size: tokens_per_sample.
        break_mode: what a block is.
        too_long: what to do with lines above the size.
        random: blocks begin anywhere.
        packed: several short blocks are put into one.
    """

    size: int
    break_mode: str
    too_long: str
    random: bool = False
    packed: bool = False


def make_blocks(store: RowStore, rules: BlockRules, name: object) -> Blocks:
    """
    Cut a file into blocks.

    Args:
        store: its tokens.
        rules: how.
        name: what messages call it.

    Raises:
        DataError: there is a line that the rules forbid, or nothing is left.
    """
    if rules.break_mode == "none":
        return EvenBlocks(store.num_tokens, rules.size, every=1 if rules.random else rules.size)
    cutter = LineSegmenter(rules.break_mode, rules.size, rules.too_long)
    spans = cutter(line_lengths(store))
    if rules.too_long == "error":
        spans = _refusing(spans, cutter, store)
    blocks: Blocks = PackedBlocks(spans, rules.size) if rules.packed else ListedBlocks(spans)
    _report(cutter, store, name)
    done = {"split": "split", "truncate": "truncated"}.get(rules.too_long, "skipped")
    blocks.odd = {"too_long": cutter.num_too_long, done: cutter.num_too_long}
    if not len(blocks):
        raise DataError(
            f"Nothing is left of {name}: all {cutter.num_too_long} {store.unit}s that are not empty "
            f"have more than {rules.size} tokens. Raise task.tokens_per_sample, or set task.too_long=split."
        )
    return blocks


def line_lengths(store: RowStore) -> Iterator[int]:
    """Yield how many tokens each line of a file has, its end included."""
    for start in range(0, len(store), CHUNK):
        yield from store.lengths(start, min(start + CHUNK, len(store))).tolist()


def _in_chunks(spans: Iterable[Span]) -> Iterator[IntArray]:
    remaining = iter(spans)
    while chunk := list(islice(remaining, CHUNK)):
        yield np.array(chunk, np.int64)


def _refusing(spans: Iterable[Span], cutter: LineSegmenter, store: RowStore) -> Iterator[Span]:
    """Yield spans until a line was too long."""
    for span in spans:
        if cutter.num_too_long:
            break
        yield span
    if cutter.num_too_long:
        line = cutter.first_too_long
        num_tokens = store.lengths(line, line + 1)[0]
        raise DataError(
            f"{store.describe(line)}: the {store.unit} has {num_tokens} tokens, its end included; a block has "
            f"{cutter.size} at most. Raise task.tokens_per_sample, or set task.too_long=split, truncate or skip."
        )


def _report(cutter: LineSegmenter, store: RowStore, name: object) -> None:
    """Say what became of odd lines."""
    if cutter.num_too_long:
        logger.warning(
            "%d %ss of %s are longer than %d tokens (the first: %s %d) and were %s",
            cutter.num_too_long,
            store.unit,
            name,
            cutter.size,
            store.unit,
            store.line_number(cutter.first_too_long),
            {"split": "split", "truncate": "cut off", "skip": "left out"}[cutter.too_long],
        )
    if cutter.num_empty:
        logger.info("%d empty %ss of %s are in no block", cutter.num_empty, store.unit, name)
