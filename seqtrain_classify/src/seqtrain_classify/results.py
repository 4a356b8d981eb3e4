"""
Answers beside targets, as the metrics of the task measure them.

N texts, C classes. All take memory in proportion to N and C, never to N * C or C * C.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from seqtrain_classify.kind import IntArray


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
    Any labels each, counted by label, since a model that has learned little answers half of all labels for each text.

    Args:
        num_rows: N >= 1.
        num_right: texts with all their labels as the answer, and no other.
        right: (C,) texts with the label both as target and in the answer.
        wrong: (C,) texts with the label in the answer alone.
        missed: (C,) texts with the label as target alone.
        labels: the names of the C labels.
    """

    num_rows: int
    num_right: int
    right: IntArray
    wrong: IntArray
    missed: IntArray
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
