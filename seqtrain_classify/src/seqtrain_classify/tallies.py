"""
Answers and targets put side by side batch after batch, by each worker for its own batches.

B texts of a batch, N of a split, C classes. What a tally tells, JSON can hold; the tallies of all workers are joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from seqtrain_classify.kind import IntArray
from seqtrain_classify.results import LabelSetResults


@final
class RowTally:
    """Answers and targets that are a number each, kept by row."""

    def __init__(self) -> None:
        self._rows: list[int] = []
        self._answers: list[Any] = []
        self._expected: list[Any] = []

    def add(self, rows: IntArray, answers: NDArray[Any], expected: NDArray[Any]) -> None:
        """Add (B,) answers and targets of these rows of a split."""
        self._rows += rows.tolist()
        self._answers += answers.tolist()
        self._expected += expected.tolist()

    def told(self) -> list[list[Any]]:
        """Return the rows, their answers and their targets."""
        return [self._rows, self._answers, self._expected]


def join_rows(told: Sequence[list[list[Any]]], dtype: DTypeLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the answers and the targets of all N rows, in their order."""
    rows, answers, expected = (
        np.concatenate([np.array(each, its_dtype) for each in part])
        for part, its_dtype in zip(zip(*told, strict=True), (np.int64, dtype, dtype), strict=True)
    )
    order = np.argsort(rows)
    return answers[order], expected[order]


@final
class LabelSetTally:
    """
    Sets of labels, counted by label.

    Args:
        num_classes: C.
    """

    def __init__(self, num_classes: int) -> None:
        self._num_rows = self._num_right = 0
        self._counts = np.zeros((3, num_classes), np.int64)  # right, wrong, missed

    def add(self, rows: IntArray, answers: NDArray[Any], expected: NDArray[Any]) -> None:
        """Add (B, C) answers and targets; what is above 0 is a label that a text has."""
        answers, expected = answers > 0, expected > 0
        self._num_rows += len(rows)
        self._num_right += int((answers == expected).all(1).sum())
        self._counts += [found.sum(0) for found in (answers & expected, answers & ~expected, expected & ~answers)]

    def told(self) -> list[Any]:
        """Return how many rows there were, how many all right, and the counts by label."""
        return [self._num_rows, self._num_right, self._counts.tolist()]


def join_label_sets(told: Sequence[list[Any]], labels: Sequence[str]) -> LabelSetResults:
    """Return the sums."""
    counts = np.array([each for _, _, each in told], np.int64).sum(0)  # (3, C)
    return LabelSetResults(
        num_rows=sum(rows for rows, _, _ in told),
        num_right=sum(all_right for _, all_right, _ in told),
        right=counts[0],
        wrong=counts[1],
        missed=counts[2],
        labels=labels,
    )
