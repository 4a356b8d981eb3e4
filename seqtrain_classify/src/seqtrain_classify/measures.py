"""
Measures of answers against targets; the only place that calls scikit-learn and scipy.

N texts, C classes.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqtrain_classify.kind import Measured

SHOWN_LABELS = 10  # a larger confusion matrix is not shown in a line


def label_measures(answers: NDArray[Any], expected: NDArray[Any], labels: Sequence[str]) -> Measured:
    """
    Compare numbers of labels, (N,) each.

    `macro_f1` is the mean over the labels that occur among answers or targets, as scikit-learn has it. `mcc` is 0 where
    it is not defined.
    """
    # It takes a second to import, and training may never measure.
    from sklearn import metrics  # type: ignore[import-untyped]  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a single label occurs; what that means is said above
        mcc = metrics.matthews_corrcoef(expected, answers)
    matrix = metrics.confusion_matrix(expected, answers, labels=range(len(labels))).tolist()
    return Measured(
        {
            "accuracy": float(metrics.accuracy_score(expected, answers)),
            "macro_f1": float(metrics.f1_score(expected, answers, average="macro", zero_division=0.0)),
            "micro_f1": float(metrics.f1_score(expected, answers, average="micro", zero_division=0.0)),
            "mcc": float(mcc),
        },
        {
            "accuracy": _told(matrix, labels, len(expected)),
            "confusion": json.dumps({"labels": list(labels), "answers_by_target": matrix}, ensure_ascii=False),
        },
    )


def _told(matrix: Sequence[Sequence[int]], labels: Sequence[str], num_rows: int) -> str:
    """Write a small confusion matrix in a line."""
    if len(labels) > SHOWN_LABELS:
        return f"{num_rows} rows"
    rows = []
    for label, counts in zip(labels, matrix, strict=True):
        answers = sorted(zip(counts, labels, strict=True), key=lambda each: -each[0])
        rows.append(f"{label} taken for " + ", ".join(f"{answer} {count}x" for count, answer in answers if count))
    return "; ".join([f"{num_rows} rows", *(row for row, counts in zip(rows, matrix, strict=True) if any(counts))])


def label_set_measures(answers: NDArray[Any], expected: NDArray[Any], labels: Sequence[str]) -> Measured:
    """
    Compare sets of labels, (N, C) bool each.

    `accuracy` is the share of texts all of whose labels are right. `macro_f1` is the mean over all labels, 0 for those
    that occur nowhere.
    """
    from sklearn import metrics  # noqa: PLC0415 - likewise

    matrices = metrics.multilabel_confusion_matrix(expected, answers)
    right = (answers == expected).all(1)
    told = {label: [int(m[1, 1]), int(m[0, 1]), int(m[1, 0])] for label, m in zip(labels, matrices, strict=True)}
    return Measured(
        {
            "accuracy": float(right.mean()),
            "macro_f1": float(metrics.f1_score(expected, answers, average="macro", zero_division=0.0)),
            "micro_f1": float(metrics.f1_score(expected, answers, average="micro", zero_division=0.0)),
        },
        {
            "accuracy": f"{len(expected)} rows, {int(right.sum())} with all labels right and no other",
            "confusion": json.dumps({"right_wrong_missed": told}, ensure_ascii=False),
        },
    )


def number_measures(answers: NDArray[Any], expected: NDArray[Any]) -> Measured:
    """Correlate numbers, (N,) each; 0, and a note, where that is not defined: one text, or all answers equal."""
    from scipy import stats  # type: ignore[import-untyped]  # noqa: PLC0415

    if len(expected) < 2 or np.ptp(answers) == 0 or np.ptp(expected) == 0:
        why = "undefined, since all answers or all targets are equal"
        return Measured({"pearson": 0.0, "spearman": 0.0}, {"pearson": why, "spearman": why})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.NearConstantInputWarning)
        pearson = stats.pearsonr(answers.astype(np.float64), expected.astype(np.float64)).statistic
    spearman = stats.spearmanr(answers, expected).statistic
    return Measured({"pearson": float(pearson), "spearman": float(spearman)}, {"pearson": f"{len(expected)} rows"})
