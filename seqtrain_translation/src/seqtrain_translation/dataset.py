"""Sentence pairs from token stores, as the trainer plans and collates them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqtrain.api import Batch
from seqtrain_text.flat_rows import IntArray, in_order
from seqtrain_text.joined_files import JoinedFiles
from seqtrain_text.mixing import epoch_weights
from seqtrain_text.row_store import RowStore
from seqtrain_translation.batch import make_batch


@dataclass(frozen=True)
class ParallelStores:
    """
    The two stores of one pair of files; row i of one is the translation of row i of the other.

    Args:
        source: rows translated from.
        target: rows translated into.
        weight: how often an epoch sees them, unless a temperature evens out sizes.
    """

    source: RowStore
    target: RowStore
    weight: float = 1.0


class ParallelDataset:
    """
    Sentence pairs of one or several pairs of files, one after the other.

    Args:
        stores: the pairs of files.
        padding: fills up rows.
        bos: what the decoder reads first.
        temperature: see `epoch_weights`.
    """

    def __init__(self, stores: Sequence[ParallelStores], *, padding: int, bos: int, temperature: float = 1.0) -> None:
        self.stores = stores
        self._padding = padding
        self._bos = bos
        sizes = [len(each.source) for each in stores]
        weights = epoch_weights(sizes, [each.weight for each in stores], temperature)
        self._files = JoinedFiles(sizes, weights)
        self.parts = self._files.parts
        content = [
            (each.source.fingerprint, each.target.fingerprint, weight)
            for each, weight in zip(stores, weights, strict=True)
        ]
        self.fingerprint = hashlib.sha256(repr(content).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self._files)

    def lengths(self, start: int, stop: int) -> IntArray:
        """Return the lengths of source and target, their ends included, of pairs [start, stop): (stop - start, 2)."""
        pieces = [np.empty((0, 2), np.int64)]
        for number, first, last in self._files.spans(start, stop):
            stores = self.stores[number]
            pieces.append(np.stack([stores.source.lengths(first, last), stores.target.lengths(first, last)], axis=1))
        return np.concatenate(pieces)

    def collate(self, indices: IntArray) -> Batch:
        """Make a batch of these pairs, in this order."""
        indices = np.asarray(indices, np.int64)
        chosen, order = self._files.by_file(indices)
        source = in_order([self.stores[number].source.gather(rows) for number, rows in chosen], order)
        target = in_order([self.stores[number].target.gather(rows) for number, rows in chosen], order)
        return make_batch(indices, source, target, padding=self._padding, bos=self._bos)

    def describe(self, index: int) -> str:
        """Say where a pair comes from, such as `train.en:17 | train.de:17`."""
        number, row = self._files.find(index)
        return f"{self.stores[number].source.describe(row)} | {self.stores[number].target.describe(row)}"
