"""What a task hands to the trainer: examples, planned by length and collated by index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from seqtrain.batch import Batch


@dataclass(frozen=True)
class DatasetPart:
    """A span of a dataset, [start, stop), seen `weight` times an epoch (1.0: once; 0.5: half of it)."""

    start: int
    stop: int
    weight: float = 1.0


class Dataset(Protocol):
    """Examples that can be planned by length and collated by index; too large to hold in memory."""

    @property
    def fingerprint(self) -> str:
        """A hash of the content: equal data, equal fingerprint, wherever the files lie."""
        ...

    @property
    def parts(self) -> Sequence[DatasetPart]:
        """The spans that it was put together from; together they cover [0, len)."""
        ...

    def __len__(self) -> int: ...

    def lengths(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the lengths in tokens of examples [start, stop): (stop - start, sides), sides 1 or 2."""
        ...

    def collate(self, indices: NDArray[np.int64]) -> Batch:
        """Make a batch of these examples, in this order."""
        ...

    def describe(self, index: int) -> str:
        """Say where an example comes from, such as `train.en:17`."""
        ...


@runtime_checkable
class VariesByEpoch(Protocol):
    """
    A dataset whose examples are others in every epoch, such as text that is split into tokens at random.

    Its `fingerprint` is that of what the examples are drawn from, and of how; it is the same in every epoch.
    """

    def at_epoch(self, epoch: int, *, seed: int, max_tokens: int | None) -> Dataset:
        """
        Return the examples of an epoch: a function of (fingerprint, seed, epoch, max_tokens) alone.

        The examples of the epoch before are not needed any more.

        Args:
            epoch: from 1.
            seed: that of the order of the data.
            max_tokens: what a batch may hold; no example should become longer than that by chance.
        """
        ...
