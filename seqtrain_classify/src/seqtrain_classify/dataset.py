"""Labelled rows from token stores, as the trainer plans and collates them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from seqtrain.api import Batch, DatasetPart
from seqtrain_classify.examples import ScannedTable
from seqtrain_classify.kind import IntArray
from seqtrain_text.padded import pad_rows
from seqtrain_text.store import TokenStore

TOKENS_NAME = "tokens"


@dataclass(frozen=True, kw_only=True)
class LabelledTable:
    """
    The rows of a table.

    Args:
        path: the table.
        store: their tokens.
        scanned: their targets and places; the store may have left out rows that are too long.
        weight: how often an epoch sees it.
    """

    path: Path
    store: TokenStore
    scanned: ScannedTable
    weight: float = 1.0

    def describe(self, row: int) -> str:
        """Say where a row is, such as `train.tsv:17`."""
        index = self.store.line_number(row) - 1
        return f"{self.path}:{self.scanned.line_numbers[index]}"


class LabelledDataset:
    """
    Rows of one or several tables, one after the other.

    Args:
        tables: the tables.
        labels: their names, in the order of their numbers.
        padding: fills up rows.
    """

    def __init__(self, tables: Sequence[LabelledTable], *, labels: Sequence[str], padding: int) -> None:
        self._tables = tables
        self._padding = padding
        stops = np.cumsum([len(each.store) for each in tables]).tolist()
        self.parts = [
            DatasetPart(stop - len(each.store), stop, each.weight) for each, stop in zip(tables, stops, strict=True)
        ]
        self._stops = np.array(stops, np.int64)
        content = [(each.store.fingerprint, each.scanned.targets.fingerprint, each.weight) for each in tables]
        self.fingerprint = hashlib.sha256(repr((list(labels), content)).encode()).hexdigest()

    def __len__(self) -> int:
        return self.parts[-1].stop

    def lengths(self, start: int, stop: int) -> IntArray:
        """Return the lengths of rows [start, stop), their ends included, (stop - start, 1)."""
        pieces = [np.empty(0, np.int64)]
        for part, table in zip(self.parts, self._tables, strict=True):
            first, last = max(start, part.start) - part.start, min(stop, part.stop) - part.start
            if first < last:
                pieces.append(table.store.lengths(first, last))
        return np.concatenate(pieces)[:, None]

    def collate(self, indices: IntArray) -> Batch:
        """
        Make a batch of these rows, in this order.

        Returns:
            net_input `tokens` (B, T); target (B,) labels or numbers, or (B, C).
        """
        indices = np.asarray(indices, np.int64)
        which = np.searchsorted(self._stops, indices, side="right")
        by_table = np.argsort(which, kind="stable")
        rows, targets = [], []
        for number in np.unique(which):
            table = self._tables[number]
            local = indices[by_table[which[by_table] == number]] - self.parts[number].start
            rows.append(table.store.gather(local))
            targets.append(table.scanned.targets.take(table.store.line_numbers(local) - 1))
        back = np.empty_like(by_table)
        back[by_table] = np.arange(len(by_table))
        tokens = np.concatenate([each for each, _ in rows])
        lengths = np.concatenate([each for _, each in rows])
        padded = torch.from_numpy(pad_rows(tokens, lengths, self._padding)[back])  # (B, T)
        return Batch(
            ids=torch.from_numpy(indices),
            net_input={TOKENS_NAME: padded},
            target=torch.cat(targets)[torch.from_numpy(back)],
            num_targets=len(indices),
            num_tokens=len(tokens),
            num_positions=padded.numel(),
        )

    def describe(self, index: int) -> str:
        """Say where a row is, such as `train.tsv:17`."""
        which = int(np.searchsorted(self._stops, index, side="right"))
        return self._tables[which].describe(index - self.parts[which].start)
