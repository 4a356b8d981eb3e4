"""The examples of several files as those of one dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from seqtrain.api import DatasetPart

IntArray = NDArray[np.int64]


class JoinedFiles:
    """
    Numbers the examples of several files, one file after the other.

    Args:
        sizes: how many examples each file has.
        weights: how often an epoch sees each file.
    """

    def __init__(self, sizes: Sequence[int], weights: Sequence[float]) -> None:
        self._stops: IntArray = np.cumsum(sizes, dtype=np.int64)
        self.parts = [
            DatasetPart(stop - size, stop, weight)
            for stop, size, weight in zip(self._stops.tolist(), sizes, weights, strict=True)
        ]

    def __len__(self) -> int:
        return self.parts[-1].stop

    def spans(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yield what [start, stop) is made of: the number of a file, and which examples of that file, [first, last)."""
        for number, part in enumerate(self.parts):
            first, last = max(start, part.start) - part.start, min(stop, part.stop) - part.start
            if first < last:
                yield number, first, last

    def by_file(self, indices: IntArray) -> tuple[list[tuple[int, IntArray]], IntArray]:
        """
        Sort examples by file.

        Returns:
            For each file that has any: its number, and which of its own examples they are. And the order that puts
            these, one file after the other, back: example `order[i]` of them is `indices[i]`.
        """
        which = np.searchsorted(self._stops, indices, side="right")
        sorted_by_file = np.argsort(which, kind="stable")
        chosen = [
            (number, indices[sorted_by_file[which[sorted_by_file] == number]] - self.parts[number].start)
            for number in np.unique(which).tolist()
        ]
        order = np.empty_like(sorted_by_file)
        order[sorted_by_file] = np.arange(len(sorted_by_file))
        return chosen, order

    def find(self, index: int) -> tuple[int, int]:
        """Return the number of the file that an example is in, and which of its own examples it is."""
        number = int(np.searchsorted(self._stops, index, side="right"))
        return number, index - self.parts[number].start
