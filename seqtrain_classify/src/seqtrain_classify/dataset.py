"""Labelled rows from token stores, as the trainer plans and collates them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from seqtrain.api import Batch
from seqtrain_classify.kind import IntArray, Targets
from seqtrain_text.flat_rows import in_order
from seqtrain_text.joined_files import JoinedFiles
from seqtrain_text.mixing import epoch_weights
from seqtrain_text.padded import pad_rows
from seqtrain_text.row_store import RowStore

TOKENS_NAME = "tokens"


@dataclass(frozen=True, kw_only=True)
class LabelledTable:
    """
    The rows of a table.

    Args:
        store: their tokens, without rows that were too long; its text n is target n.
        targets: of all texts.
        weight: how often an epoch sees it, unless a temperature evens out sizes.
    """

    store: RowStore
    targets: Targets
    weight: float = 1.0

    def take(self, rows: IntArray) -> torch.Tensor:
        """Return the targets of these rows of the store."""
        return self.targets.take(self.store.line_numbers(rows) - 1)


class LabelledDataset:
    """
    Rows of one or several tables, one after the other.

    Args:
        tables: the tables.
        labels: their names, in the order of their numbers.
        padding: fills up rows.
        temperature: see `epoch_weights`.
    """

    def __init__(
        self, tables: Sequence[LabelledTable], *, labels: Sequence[str], padding: int, temperature: float = 1.0
    ) -> None:
        self.tables = tables
        self._padding = padding
        sizes = [len(each.store) for each in tables]
        weights = epoch_weights(sizes, [each.weight for each in tables], temperature)
        self._files = JoinedFiles(sizes, weights)
        self.parts = self._files.parts
        content = [
            (each.store.fingerprint, each.targets.fingerprint, weight)
            for each, weight in zip(tables, weights, strict=True)
        ]
        self.fingerprint = hashlib.sha256(repr((list(labels), content)).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self._files)

    def lengths(self, start: int, stop: int) -> IntArray:
        """Return the lengths of rows [start, stop), their ends included, (stop - start, 1)."""
        pieces = [np.empty(0, np.int64)]
        for number, first, last in self._files.spans(start, stop):
            pieces.append(self.tables[number].store.lengths(first, last))
        return np.concatenate(pieces)[:, None]

    def collate(self, indices: IntArray) -> Batch:
        """
        Make a batch of these rows, in this order.

        Returns:
            net_input `tokens` (B, T); target (B,) labels or numbers, or (B, C).
        """
        indices = np.asarray(indices, np.int64)
        chosen, order = self._files.by_file(indices)
        rows = in_order([self.tables[number].store.gather(own) for number, own in chosen], order)
        padded = torch.from_numpy(pad_rows(rows.tokens, rows.lengths, self._padding))  # (B, T)
        return Batch(
            ids=torch.from_numpy(indices),
            net_input={TOKENS_NAME: padded},
            target=self.targets(indices),
            num_targets=len(indices),
            num_tokens=len(rows.tokens),
            num_positions=padded.numel(),
        )

    def targets(self, indices: IntArray) -> torch.Tensor:
        """Return the targets of these rows: (B,) labels or numbers, or (B, C)."""
        chosen, order = self._files.by_file(indices)
        return torch.cat([self.tables[number].take(own) for number, own in chosen])[torch.from_numpy(order)]

    def describe(self, index: int) -> str:
        """Say where a row is, such as `train.tsv:17`."""
        number, row = self._files.find(index)
        return self.tables[number].store.describe(row)
