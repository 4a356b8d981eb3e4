"""Measures, with numbers worked by hand."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest

from seqtrain_classify.metrics import accuracy, macro_f1, mcc, micro_f1, pearson, spearman
from seqtrain_classify.results import LabelResults, LabelSetResults, NumberResults


@dataclass(frozen=True)
class Measured:
    """What several metrics find, and say of how."""

    measures: dict[str, float]
    notes: dict[str, str]


def measured_by(makers, results) -> Measured:
    """Measure by each metric."""
    metrics = [make(None) for make in makers]
    assert all(isinstance(results, metric.measured_types) for metric in metrics)
    measures = {name: value for metric in metrics for name, value in metric.measure(results).items()}
    assert set(measures) == {name for metric in metrics for name in metric.higher_is_better}
    return Measured(measures, {name: note for metric in metrics for name, note in metric.describe_measures().items()})


def label_measures(answers, expected, labels) -> Measured:
    return measured_by((accuracy, macro_f1, micro_f1, mcc), LabelResults(answers, expected, labels))


def label_set_measures(answers, expected, labels) -> Measured:
    return measured_by((accuracy, macro_f1, micro_f1), LabelSetResults(answers, expected, labels))


def number_measures(answers, expected) -> Measured:
    return measured_by((pearson, spearman), NumberResults(answers, expected))


ROOT_OF_3 = math.sqrt(3)


def test_labels_are_compared():
    """Of 3 a, 2 are right; the only b is right; c occurs nowhere and is left out of the mean."""
    measured = label_measures(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1]), ["a", "b", "c"])

    assert measured.measures == pytest.approx(
        {"accuracy": 3 / 4, "micro_f1": 3 / 4, "macro_f1": (4 / 5 + 2 / 3) / 2, "mcc": 1 / ROOT_OF_3}
    )
    assert "4 rows; a taken for a 2x, b 1x; b taken for b 1x" == measured.notes["accuracy"]
    assert {"labels": ["a", "b", "c"], "answers_by_target": [[2, 1, 0], [0, 1, 0], [0, 0, 0]]} == json.loads(
        measured.notes["confusion"]
    )


def test_a_large_confusion_matrix_is_not_in_the_line():
    """It is still there by its name."""
    labels = [f"label {number}" for number in range(11)]
    measured = label_measures(np.arange(11), np.arange(11), labels)

    assert "11 rows" == measured.notes["accuracy"]
    assert labels == json.loads(measured.notes["confusion"])["labels"]


@pytest.mark.parametrize("answers", [[1, 1], [0, 0]])
def test_a_set_with_one_label_alone_can_be_measured(answers):
    """All numbers are finite; the correlation is 0, since there is none."""
    measured = label_measures(np.array(answers), np.array([1, 1]), ["a", "b"]).measures

    assert (answers[0], 0) == (measured["accuracy"], measured["mcc"])
    assert all(map(math.isfinite, measured.values()))


def test_sets_of_labels_are_compared():
    """Of two rows one is all right; a is right once, b right once and wrong once, c nowhere."""
    answers = np.array([[True, False, False], [False, True, False]])
    expected = np.array([[True, True, False], [False, True, False]])
    measured = label_set_measures(answers, expected, ["a", "b", "c"])

    assert measured.measures == pytest.approx({"accuracy": 1 / 2, "micro_f1": 4 / 5, "macro_f1": (1 + 2 / 3 + 0) / 3})
    assert "2 rows, 1 with all labels right and no other" == measured.notes["accuracy"]
    assert {"right_wrong_missed": {"a": [1, 0, 0], "b": [1, 0, 1], "c": [0, 0, 0]}} == json.loads(
        measured.notes["confusion"]
    )


def test_numbers_are_correlated():
    """Pearson's coefficient minds by how much they differ, Spearman's only which is larger."""
    measured = number_measures(np.float32([1, 2, 6]), np.float32([1, 2, 3])).measures

    assert measured == pytest.approx({"pearson": 5 / math.sqrt(14 * 2), "spearman": 1.0})


@pytest.mark.parametrize(("answers", "expected"), [([1.0], [2.0]), ([3.0, 3.0], [1.0, 2.0]), ([1.0, 2.0], [4.0, 4.0])])
def test_a_correlation_that_is_not_defined_is_0_and_noted(answers, expected):
    """An untrained model may well answer everything alike."""
    measured = number_measures(np.float32(answers), np.float32(expected))

    assert {"pearson": 0, "spearman": 0} == measured.measures
    assert "undefined" in measured.notes["pearson"]


def test_numbers_that_hardly_differ_are_correlated_in_silence():
    """scipy would warn of each validation."""
    measured = number_measures(np.float32([1.0, np.nextafter(np.float32(1), 2), 1.0]), np.float32([1, 2, 3])).measures

    assert all(map(math.isfinite, measured.values()))
