"""Blocks of text from token stores, as the trainer plans and collates them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from seqtrain.api import Batch, DatasetPart
from seqtrain_lm.blocks import Blocks
from seqtrain_lm.numbers import IntArray
from seqtrain_lm.rows import BlockRows, in_order
from seqtrain_lm.vocabulary import Vocabulary
from seqtrain_text.store import TokenStore


class MakeBatches(Protocol):
    """What the objective makes of blocks."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The ids that occur."""
        ...

    @property
    def key(self) -> str:
        """What the batches depend on besides the blocks."""
        ...

    def lengths(self, blocks: IntArray) -> IntArray:
        """Return the lengths (n, sides) of examples of n blocks, given theirs."""
        ...

    def __call__(self, ids: IntArray, rows: BlockRows) -> Batch:
        """Make a batch of the examples with these numbers."""
        ...


@dataclass(frozen=True, kw_only=True)
class BlockFile:
    """
    The blocks of one file.

    Args:
        store: its tokens.
        blocks: how it is cut.
        goes_on: a block is to be read as going on from the token before it, not as the beginning of a line.
        weight: how often an epoch sees it.
    """

    store: TokenStore
    blocks: Blocks
    goes_on: bool
    weight: float = 1.0

    def rows(self, indices: IntArray, eos: int) -> BlockRows:
        """Read blocks."""
        spans = self.blocks.spans(indices)
        tokens = self.store.read(spans.starts, spans.lengths)
        before = np.full(len(spans.starts), eos, np.int64)
        if self.goes_on:
            inside = spans.starts > 0
            before[inside] = self.store.read(spans.starts[inside] - 1, np.ones(inside.sum(), np.int64))
        return BlockRows(tokens, before, spans.lengths, spans.per_block)


class BlockDataset:
    """
    Blocks of one or several files, one after the other.

    Args:
        files: the files.
        make_batch: what the objective makes of blocks.
        eos: what ends a line, and so stands before the first one.
        rules: what, besides the files, decides on the blocks.
    """

    def __init__(self, files: Sequence[BlockFile], make_batch: MakeBatches, *, eos: int, rules: object) -> None:
        self.files = files
        self._make_batch = make_batch
        self._eos = eos
        stops = np.cumsum([len(each.blocks) for each in files]).tolist()
        self.parts = [
            DatasetPart(stop - len(each.blocks), stop, each.weight) for each, stop in zip(files, stops, strict=True)
        ]
        self._stops = np.array(stops, np.int64)
        content = (make_batch.key, rules, [(each.store.fingerprint, each.weight) for each in files])
        self.fingerprint = hashlib.sha256(repr(content).encode()).hexdigest()

    def __len__(self) -> int:
        return self.parts[-1].stop

    def lengths(self, start: int, stop: int) -> IntArray:
        """Return the lengths of examples [start, stop), (stop - start, sides)."""
        pieces = [np.empty(0, np.int64)]
        for part, file in zip(self.parts, self.files, strict=True):
            first, last = max(start, part.start) - part.start, min(stop, part.stop) - part.start
            if first < last:
                pieces.append(file.blocks.lengths(first, last))
        return self._make_batch.lengths(np.concatenate(pieces))

    def collate(self, indices: IntArray) -> Batch:
        """Make a batch of these blocks, in this order."""
        indices = np.asarray(indices, np.int64)
        which = np.searchsorted(self._stops, indices, side="right")
        by_file = np.argsort(which, kind="stable")
        pieces = [
            self.files[number].rows(indices[by_file[which[by_file] == number]] - self.parts[number].start, self._eos)
            for number in np.unique(which)
        ]
        back = np.empty_like(by_file)
        back[by_file] = np.arange(len(by_file))
        return self._make_batch(indices, in_order(pieces, back))

    def describe(self, index: int) -> str:
        """Say where a block begins, such as `train.txt:17, token 640 of the file`."""
        which = int(np.searchsorted(self._stops, index, side="right"))
        file = self.files[which]
        start = int(file.blocks.spans(np.array([index - self.parts[which].start])).starts[0])
        return f"{file.store.describe(file.store.row_at(start))}, token {start + 1} of the file"
