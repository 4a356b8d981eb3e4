"""Sentence pairs from token stores, as the trainer plans and collates them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqtrain.api import Batch, DatasetPart
from seqtrain_text.padded import ranges
from seqtrain_text.store import TokenStore
from seqtrain_translation.batch import FlatRows, IntArray, make_batch


@dataclass(frozen=True)
class ParallelStores:
    """
    The two stores of one pair of files; row i of one is the translation of row i of the other.

    Args:
        source: rows translated from.
        target: rows translated into.
        weight: how often an epoch sees them.
    """

    source: TokenStore
    target: TokenStore
    weight: float = 1.0


class ParallelDataset:
    """
    Sentence pairs of one or several pairs of files, one after the other.

    Args:
        stores: the pairs of files.
        padding: fills up rows.
        bos: what the decoder reads first.
    """

    def __init__(self, stores: Sequence[ParallelStores], *, padding: int, bos: int) -> None:
        self._stores = stores
        self._padding = padding
        self._bos = bos
        stops = np.cumsum([len(each.source) for each in stores]).tolist()
        self.parts = [
            DatasetPart(stop - len(each.source), stop, each.weight) for each, stop in zip(stores, stops, strict=True)
        ]
        self._stops = np.array(stops, np.int64)
        content = [(each.source.fingerprint, each.target.fingerprint, each.weight) for each in stores]
        self.fingerprint = hashlib.sha256(repr(content).encode()).hexdigest()

    def __len__(self) -> int:
        return self.parts[-1].stop

    def lengths(self, start: int, stop: int) -> IntArray:
        """Return the lengths of source and target, their ends included, of pairs [start, stop): (stop - start, 2)."""
        pieces = []
        for part, stores in zip(self.parts, self._stores, strict=True):
            first, last = max(start, part.start) - part.start, min(stop, part.stop) - part.start
            if first < last:
                pieces.append(
                    np.stack([stores.source.lengths(first, last), stores.target.lengths(first, last)], axis=1)
                )
        return np.concatenate(pieces) if pieces else np.empty((0, 2), np.int64)

    def collate(self, indices: IntArray) -> Batch:
        """Make a batch of these pairs, in this order."""
        indices = np.asarray(indices, np.int64)
        which = np.searchsorted(self._stops, indices, side="right")
        by_part = np.argsort(which, kind="stable")
        sources, targets = [], []
        for number in np.unique(which):
            local = indices[by_part[which[by_part] == number]] - self.parts[number].start
            sources.append(self._stores[number].source.gather(local))
            targets.append(self._stores[number].target.gather(local))
        back = np.empty_like(by_part)
        back[by_part] = np.arange(len(by_part))
        return make_batch(
            indices, _in_order(sources, back), _in_order(targets, back), padding=self._padding, bos=self._bos
        )

    def describe(self, index: int) -> str:
        """Say where a pair comes from, such as `train.en:17 | train.de:17`."""
        which = int(np.searchsorted(self._stops, index, side="right"))
        row = index - self.parts[which].start
        return f"{self._stores[which].source.describe(row)} | {self._stores[which].target.describe(row)}"


def _in_order(pieces: Sequence[tuple[IntArray, IntArray]], order: IntArray) -> FlatRows:
    """Put flat rows together, row `order[i]` of all pieces becoming row i."""
    if len(pieces) == 1:
        return FlatRows(*pieces[0])
    tokens = np.concatenate([each for each, _ in pieces])
    lengths = np.concatenate([each for _, each in pieces])
    starts = np.cumsum(lengths) - lengths
    return FlatRows(tokens[ranges(starts[order], lengths[order])], lengths[order])
