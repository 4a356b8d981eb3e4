"""
The targets of a table's rows, held in memory: four bytes for a label or a number.

B rows of a batch, C classes.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor

from seqtrain_classify.kind import IntArray
from seqtrain_text.padded import ranges


@final
class LabelTargets:
    """A label's number for each row."""

    def __init__(self) -> None:
        self._numbers = array("i")

    def append(self, target: int) -> None:
        """Add a row."""
        self._numbers.append(target)

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def fingerprint(self) -> str:
        """A hash of all rows."""
        return _hash(self._numbers)

    def take(self, rows: IntArray) -> Tensor:
        """Return (B,) int64."""
        return torch.from_numpy(np.frombuffer(self._numbers, np.int32)[rows].astype(np.int64))


@final
class LabelSetTargets:
    """
    The numbers of any labels for each row.

    Args:
        num_classes: C.
    """

    def __init__(self, num_classes: int) -> None:
        self._num_classes = num_classes
        self._numbers = array("i")
        self._stops = array("q", [0])

    def append(self, target: Sequence[int]) -> None:
        """Add a row."""
        self._numbers.extend(target)
        self._stops.append(len(self._numbers))

    def __len__(self) -> int:
        return len(self._stops) - 1

    @property
    def fingerprint(self) -> str:
        """A hash of all rows."""
        return _hash(self._numbers, self._stops)

    def take(self, rows: IntArray) -> Tensor:
        """Return (B, C) float32: 1 for the labels of a row, 0 for others."""
        stops = np.frombuffer(self._stops, np.int64)
        counts = stops[rows + 1] - stops[rows]
        target = np.zeros((len(rows), self._num_classes), np.float32)
        if counts.any():  # else there may be no numbers at all, and numpy makes no array of an empty buffer
            numbers = np.frombuffer(self._numbers, np.int32)[ranges(stops[rows], counts)]
            target[np.repeat(np.arange(len(rows)), counts), numbers] = 1
        return torch.from_numpy(target)


@final
class NumberTargets:
    """A number for each row."""

    def __init__(self) -> None:
        self._numbers = array("f")

    def append(self, target: float) -> None:
        """Add a row."""
        self._numbers.append(target)

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def fingerprint(self) -> str:
        """A hash of all rows."""
        return _hash(self._numbers)

    def take(self, rows: IntArray) -> Tensor:
        """Return (B,) float32."""
        return torch.from_numpy(np.frombuffer(self._numbers, np.float32)[rows])


def _hash(*arrays: array[int] | array[float]) -> str:
    content = hashlib.sha256()
    for each in arrays:
        content.update(each.tobytes())
    return content.hexdigest()
