"""
Answers beside targets, as the metrics of the task measure them.

N texts, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelResults:
    """
    One label each.

    Args:
        answers: (N,) numbers of labels, N >= 1.
        expected: (N,) likewise.
        labels: their names.
    """

    answers: NDArray[Any]
    expected: NDArray[Any]
    labels: Sequence[str]


@dataclass(frozen=True)
class LabelSetResults:
    """
    Any labels each.

    Args:
        answers: (N, C) bool, N >= 1.
        expected: (N, C) bool.
        labels: the names of the C labels.
    """

    answers: NDArray[Any]
    expected: NDArray[Any]
    labels: Sequence[str]


@dataclass(frozen=True)
class NumberResults:
    """
    A number each.

    Args:
        answers: (N,) numbers, N >= 1.
        expected: (N,) likewise.
    """

    answers: NDArray[Any]
    expected: NDArray[Any]
