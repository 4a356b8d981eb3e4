"""
The metrics of the task; the only place that calls scipy.

N texts, C classes. What is measured of labels is computed from counts by label, in time and memory of N + C.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from seqtrain_classify.kind import IntArray
from seqtrain_classify.results import LabelResults, LabelSetResults, NumberResults

SHOWN_LABELS = 10  # a larger confusion matrix is not shown in a line
WHOLE_MATRIX = 100  # of more labels, only those pairs are noted that occur


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
    over all labels, 0 for those that occur nowhere, as scikit-learn has it for matrices of zeros and ones.
    """
    return AnswerMetric("macro_f1", _macro_f1, (LabelResults, LabelSetResults))


def micro_f1(_config: object) -> AnswerMetric:
    """Make the metric: F1 over all answers together; with one label each, it equals the accuracy."""
    return AnswerMetric("micro_f1", _micro_f1, (LabelResults, LabelSetResults))


def mcc(_config: object) -> AnswerMetric:
    """
    Make the metric: Matthews' correlation coefficient, 0 where it is not defined.

    Source:
        Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient", equation 8.
    """
    return AnswerMetric("mcc", _mcc, (LabelResults,))


def pearson(_config: object) -> AnswerMetric:
    """Make the metric: Pearson's correlation of numbers; 0, and a note, where it is not defined."""
    return AnswerMetric("pearson", _pearson, (NumberResults,), _pearson_notes)


def spearman(_config: object) -> AnswerMetric:
    """Make the metric: Spearman's correlation of numbers; 0, and a note, where it is not defined."""
    return AnswerMetric("spearman", _spearman, (NumberResults,), lambda results: _undefined("spearman", results))


# scipy takes a second to import, and training may never measure; so each function imports its own.


class _Counts(NamedTuple):
    """Texts by label, (C,) each: where answer and target agree, and how often each label is an answer or a target."""

    right: IntArray
    answered: IntArray
    expected: IntArray


def _counts(results: LabelResults | LabelSetResults) -> _Counts:
    if isinstance(results, LabelSetResults):
        return _Counts(results.right, results.right + results.wrong, results.right + results.missed)
    agreed = results.expected[results.answers == results.expected]
    num_classes = len(results.labels)
    return _Counts(*(np.bincount(each, minlength=num_classes) for each in (agreed, results.answers, results.expected)))


def _accuracy(results: LabelResults | LabelSetResults) -> float:
    if isinstance(results, LabelSetResults):
        return results.num_right / results.num_rows
    return float((results.answers == results.expected).mean())


def _macro_f1(results: LabelResults | LabelSetResults) -> float:
    right, answered, expected = _counts(results)
    total = answered + expected
    of_each = 2 * right / np.maximum(total, 1)
    return float(of_each.mean() if isinstance(results, LabelSetResults) else of_each[total > 0].mean())


def _micro_f1(results: LabelResults | LabelSetResults) -> float:
    right, answered, expected = (int(each.sum()) for each in _counts(results))
    return 2 * right / max(answered + expected, 1)


def _mcc(results: LabelResults) -> float:
    right, answered, expected = (each.astype(float) for each in _counts(results))
    total = len(results.expected)
    covariance = right.sum() * total - answered @ expected
    variances = (total**2 - answered @ answered) * (total**2 - expected @ expected)
    return float(covariance / np.sqrt(variances)) if variances > 0 else 0.0


def _confusion(results: LabelResults | LabelSetResults) -> dict[str, str]:
    """Say how many rows there are, and which labels were taken for which."""
    if isinstance(results, LabelSetResults):
        rows = f"{results.num_rows} rows, {results.num_right} with all labels right and no other"
        return {"accuracy": rows, "confusion": json.dumps(_label_counts(results), ensure_ascii=False)}
    labels, num_rows = results.labels, len(results.expected)
    pairs, counts = _pairs(results)
    if len(labels) > WHOLE_MATRIX:
        often_first = np.argsort(-counts, kind="stable").tolist()
        found = [[labels[pairs[0, n]], labels[pairs[1, n]], int(counts[n])] for n in often_first]
        noted: dict[str, Any] = {"target_answer_count": found}
    else:
        matrix = np.zeros((len(labels), len(labels)), np.int64)
        matrix[pairs[0], pairs[1]] = counts
        noted = {"labels": list(labels), "answers_by_target": matrix.tolist()}
    line = f"{num_rows} rows" if len(labels) > SHOWN_LABELS else _in_a_line(matrix.tolist(), labels, num_rows)
    return {"accuracy": line, "confusion": json.dumps(noted, ensure_ascii=False)}


def _pairs(results: LabelResults) -> tuple[IntArray, IntArray]:
    """Return the pairs of target and answer that occur, (2, P), and how often each does, (P,); P <= N."""
    num_classes = len(results.labels)
    keys, counts = np.unique(results.expected.astype(np.int64) * num_classes + results.answers, return_counts=True)
    return np.stack(np.divmod(keys, num_classes)), counts


def _label_counts(results: LabelSetResults) -> dict[str, dict[str, list[int]]]:
    """Return for each label how often it was right, wrong and missed; of many labels, those that occur at all."""
    counts = np.stack([results.right, results.wrong, results.missed], 1)  # (C, 3)
    is_noted = counts.any(1) | (len(results.labels) <= WHOLE_MATRIX)
    return {"right_wrong_missed": {results.labels[n]: counts[n].tolist() for n in np.flatnonzero(is_noted).tolist()}}


def _in_a_line(matrix: Sequence[Sequence[int]], labels: Sequence[str], num_rows: int) -> str:
    """Write a small confusion matrix in a line."""
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
