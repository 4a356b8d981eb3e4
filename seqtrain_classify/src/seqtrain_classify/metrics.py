"""The metrics of the task; the only place that calls scikit-learn and scipy."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from seqtrain_classify.results import LabelResults, LabelSetResults, NumberResults

SHOWN_LABELS = 10  # a larger confusion matrix is not shown in a line


class AnswerMetric:
    """
    A measure of answers beside targets, of which more is better.

    Args:
        name: of the measure.
        value: computes it.
        measured_types: the classes of results that it is for.
        notes: says how it was taken, by the same name, and further facts.
    """

    def __init__(
        self,
        name: str,
        value: Callable[[Any], float],
        measured_types: tuple[type, ...],
        notes: Callable[[Any], Mapping[str, str]] = lambda _: {},
    ) -> None:
        self._name, self._value, self._take_notes = name, value, notes
        self._notes: Mapping[str, str] = {}
        self.measured_types = measured_types
        self.higher_is_better = frozenset({name})

    def measure(self, results: Any, /) -> Mapping[str, float]:
        """Compare the answers of a whole set with its targets."""
        self._notes = self._take_notes(results)
        return {self._name: float(self._value(results))}

    def describe_measures(self) -> Mapping[str, str]:
        """Say how many rows there were, and what was taken for what."""
        return self._notes


def accuracy(_config: object) -> AnswerMetric:
    """Make the metric: the share of texts whose label is right, or all of whose labels are."""
    return AnswerMetric("accuracy", _accuracy, (LabelResults, LabelSetResults), _confusion)


def macro_f1(_config: object) -> AnswerMetric:
    """
    Make the metric: the mean F1 over labels.

    With one label each, over those that occur among answers or targets, as scikit-learn has it. With sets of labels,
    over all labels, 0 for those that occur nowhere.
    """
    return AnswerMetric("macro_f1", lambda results: _f1(results, "macro"), (LabelResults, LabelSetResults))


def micro_f1(_config: object) -> AnswerMetric:
    """Make the metric: F1 over all answers together."""
    return AnswerMetric("micro_f1", lambda results: _f1(results, "micro"), (LabelResults, LabelSetResults))


def mcc(_config: object) -> AnswerMetric:
    """Make the metric: Matthews' correlation coefficient, 0 where it is not defined."""
    return AnswerMetric("mcc", _mcc, (LabelResults,))


def pearson(_config: object) -> AnswerMetric:
    """Make the metric: Pearson's correlation of numbers; 0, and a note, where it is not defined."""
    return AnswerMetric("pearson", _pearson, (NumberResults,), _pearson_notes)


def spearman(_config: object) -> AnswerMetric:
    """Make the metric: Spearman's correlation of numbers; 0, and a note, where it is not defined."""
    return AnswerMetric("spearman", _spearman, (NumberResults,), lambda results: _undefined("spearman", results))


# sklearn and scipy take a second to import, and training may never measure; so each function imports its own.


def _accuracy(results: LabelResults | LabelSetResults) -> float:
    if isinstance(results, LabelSetResults):
        return float((results.answers == results.expected).all(1).mean())
    from sklearn import metrics  # type: ignore[import-untyped]  # noqa: PLC0415

    return float(metrics.accuracy_score(results.expected, results.answers))


def _f1(results: LabelResults | LabelSetResults, average: str) -> float:
    from sklearn import metrics  # noqa: PLC0415

    return float(metrics.f1_score(results.expected, results.answers, average=average, zero_division=0.0))


def _mcc(results: LabelResults) -> float:
    from sklearn import metrics  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a single label occurs; what that means is said above
        return float(metrics.matthews_corrcoef(results.expected, results.answers))


def _confusion(results: LabelResults | LabelSetResults) -> dict[str, str]:
    """Say how many rows there are, and which labels were taken for which."""
    from sklearn import metrics  # noqa: PLC0415

    labels, num_rows = results.labels, len(results.expected)
    if isinstance(results, LabelSetResults):
        matrices = metrics.multilabel_confusion_matrix(results.expected, results.answers)
        counts = {label: [int(m[1, 1]), int(m[0, 1]), int(m[1, 0])] for label, m in zip(labels, matrices, strict=True)}
        num_right = int((results.answers == results.expected).all(1).sum())
        return {
            "accuracy": f"{num_rows} rows, {num_right} with all labels right and no other",
            "confusion": json.dumps({"right_wrong_missed": counts}, ensure_ascii=False),
        }
    matrix = metrics.confusion_matrix(results.expected, results.answers, labels=range(len(labels))).tolist()
    return {
        "accuracy": _in_a_line(matrix, labels, num_rows),
        "confusion": json.dumps({"labels": list(labels), "answers_by_target": matrix}, ensure_ascii=False),
    }


def _in_a_line(matrix: Sequence[Sequence[int]], labels: Sequence[str], num_rows: int) -> str:
    """Write a small confusion matrix in a line."""
    if len(labels) > SHOWN_LABELS:
        return f"{num_rows} rows"
    rows = []
    for label, counts in zip(labels, matrix, strict=True):
        answers = sorted(zip(counts, labels, strict=True), key=lambda each: -each[0])
        rows.append(f"{label} taken for " + ", ".join(f"{answer} {count}x" for count, answer in answers if count))
    return "; ".join([f"{num_rows} rows", *(row for row, counts in zip(rows, matrix, strict=True) if any(counts))])


def _is_undefined(results: NumberResults) -> bool:
    """Say whether numbers cannot be correlated: there is one text, or all answers or targets are equal."""
    return len(results.expected) < 2 or np.ptp(results.answers) == 0 or np.ptp(results.expected) == 0


def _undefined(name: str, results: NumberResults) -> dict[str, str]:
    return {name: "undefined, since all answers or all targets are equal"} if _is_undefined(results) else {}


def _pearson(results: NumberResults) -> float:
    from scipy import stats  # type: ignore[import-untyped]  # noqa: PLC0415

    if _is_undefined(results):
        return 0.0
    answers, expected = results.answers.astype(np.float64), results.expected.astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.NearConstantInputWarning)
        return float(stats.pearsonr(answers, expected).statistic)


def _pearson_notes(results: NumberResults) -> dict[str, str]:
    return {"pearson": f"{len(results.expected)} rows"} | _undefined("pearson", results)


def _spearman(results: NumberResults) -> float:
    from scipy import stats  # noqa: PLC0415

    return 0.0 if _is_undefined(results) else float(stats.spearmanr(results.answers, results.expected).statistic)
