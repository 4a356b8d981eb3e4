"""
What a text is given: a label, several labels, or a number.

B texts, N texts of a split, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

IntArray = NDArray[np.int64]
Scores = NDArray[np.float32]


class Targets(Protocol):
    """The targets of a table's rows, as compact as can be: they are held in memory."""

    def append(self, target: Any, /) -> None:
        """Add the target of the next row, as `Kind.encode` returned it."""
        ...

    def __len__(self) -> int: ...

    @property
    def fingerprint(self) -> str:
        """A hash of all of them."""
        ...

    def take(self, rows: IntArray) -> Tensor:
        """Return the targets of these rows for a batch: (B,) int64, (B, C) float32 or (B,) float32."""
        ...


class Tally(Protocol):
    """Answers beside targets, gathered batch after batch by one worker."""

    def add(self, rows: IntArray, answers: NDArray[Any], expected: NDArray[Any], /) -> None:
        """Add answers to these rows of a split (B,), as `Kind.decide` returned them, and the rows' targets."""
        ...

    def told(self) -> Any:
        """Return what `Kind.results` takes; JSON can hold it."""
        ...


class Kind(Protocol):
    """What `task.kind` stands for. Before use, either `learn` or `restore` is called once."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics to measure by, by qualified name, unless `task.metrics` names others."""
        ...

    @property
    def results_type(self) -> type:
        """What `results` returns."""
        ...

    @property
    def labels(self) -> Sequence[str]:
        """The labels in the order of their numbers; none where there are numbers instead."""
        ...

    @property
    def num_classes(self) -> int:
        """C, as the model is told it."""
        ...

    def read(self, cell: Any) -> Any:
        """
        Understand the cell of a table.

        Raises:
            ValueError: it holds something else; the message says what, but not where.
        """
        ...

    def learn(self, cells: Iterable[Any], where: str) -> None:
        """
        Learn which labels there are, from what `read` returned for each training row.

        Raises:
            DataError: there is nothing to learn from; `where` names the files.
        """
        ...

    def restore(self, labels: Sequence[str]) -> None:
        """Take over the labels of a run."""
        ...

    def encode(self, cell: Any) -> Any:
        """
        Return what `Targets.append` takes.

        Raises:
            ValueError: as `read`; or a label has not been learned.
        """
        ...

    def new_targets(self) -> Targets:
        """Make room for the targets of a table."""
        ...

    def scores(self, logits: Tensor) -> Tensor:
        """Turn a model's output (B, C) into what may be averaged over models: probabilities, or numbers."""
        ...

    def decide(self, scores: Scores) -> NDArray[Any]:
        """Return an answer for each of the scores (B, C), as comparable with targets."""
        ...

    def new_tally(self) -> Tally:
        """Return what answers are put into beside their targets."""
        ...

    def results(self, told: Sequence[Any]) -> object:
        """Join what the tallies of all workers tell of N >= 1 texts, for metrics."""
        ...

    def written(self, answers: NDArray[Any]) -> list[str]:
        """Write answers, or targets, of B texts, without probabilities."""
        ...

    def cells(self, scores: Scores) -> list[str]:
        """Write the answer for scores (C,) as cells of a table."""
        ...

    def fields(self, scores: Scores) -> dict[str, Any]:
        """Write it as the fields of a JSON object."""
        ...
