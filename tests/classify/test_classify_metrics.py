"""Measures, with numbers worked by hand."""

from __future__ import annotations

import json
import math
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest

from seqtrain_classify.metrics import accuracy, macro_f1, mcc, micro_f1, pearson, spearman
from seqtrain_classify.results import LabelResults, LabelSetResults, NumberResults
from seqtrain_classify.tallies import LabelSetTally, join_label_sets


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
    return measured_by((accuracy, macro_f1, micro_f1), label_sets(answers, expected, labels))


def label_sets(answers, expected, labels) -> LabelSetResults:
    """Count sets of labels in two batches, as two workers would."""
    tallies = [LabelSetTally(len(labels)) for _ in range(2)]
    for tally, rows in zip(tallies, np.array_split(np.arange(len(answers)), 2), strict=True):
        tally.add(rows, answers[rows], expected[rows])
    return join_label_sets([tally.told() for tally in tallies], labels)


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


def test_many_labels_are_measured_as_scikit_learn_does():
    """Of 40 labels, 25 are targets, 7 more are answers alone, and 8 occur nowhere; the values are scikit-learn 1.9's."""
    row = np.arange(500)
    expected = (row * row + row // 3) % 25
    answers = np.where(row % 3 == 0, (row * 7 + 5) % 32, expected)

    assert label_measures(answers, expected, list(map(str, range(40)))).measures == pytest.approx(
        {"accuracy": 0.672, "macro_f1": 0.40805468464681205, "micro_f1": 0.672, "mcc": 0.6583508487480573}, rel=1e-12
    )


def test_many_sets_of_labels_are_measured_as_scikit_learn_does():
    """Of 12 labels, two are no row's and yet answers, one is never an answer; the values are scikit-learn 1.9's."""
    row, label = np.arange(200)[:, None], np.arange(12)[None]
    expected = ((row * (label + 3) + row // 7) % (label + 4) == 0) & (label < 10)
    answers = np.where((row + label) % 5 == 0, (row * label) % 7 == 1, expected) & (label != 3)
    measured = label_set_measures(answers, expected, list("abcdefghijkl"))
    counts = [
        [47, 0, 10], [35, 0, 5], [46, 6, 11], [0, 0, 29], [24, 5, 5], [25, 4, 4], [23, 0, 0], [15, 0, 3], [23, 6, 6],
        [10, 5, 6], [0, 6, 0], [0, 6, 0],
    ]  # fmt: skip

    assert measured.measures == pytest.approx(
        {"accuracy": 0.51, "macro_f1": 0.6431855837108617, "micro_f1": 0.8091353996737357}, rel=1e-12
    )
    assert {"right_wrong_missed": dict(zip("abcdefghijkl", counts, strict=True))} == json.loads(
        measured.notes["confusion"]
    )


def test_of_many_labels_the_pairs_that_occur_are_noted():
    """The most frequent first; of sets of labels, those labels that occur."""
    labels = [f"label {number}" for number in range(101)]
    single = label_measures(np.array([7, 100, 7, 7]), np.array([7, 3, 3, 7]), labels)
    is_answer, is_target = np.zeros((2, 2, 101), bool)
    is_answer[0, 7] = is_target[:, 7] = is_target[1, 100] = True
    several = label_set_measures(is_answer, is_target, labels)

    assert "4 rows" == single.notes["accuracy"]
    assert {
        "target_answer_count": [["label 7", "label 7", 2], ["label 3", "label 7", 1], ["label 3", "label 100", 1]]
    } == json.loads(single.notes["confusion"])
    assert {"right_wrong_missed": {"label 7": [1, 0, 1], "label 100": [0, 0, 1]}} == json.loads(
        several.notes["confusion"]
    )


def test_measures_take_memory_by_rows_and_labels():
    """A matrix of 50,000 by 50,000 labels would take 20 GB."""
    num_classes = 50_000
    labels = list(map(str, range(num_classes)))
    tally = LabelSetTally(num_classes)
    tally.add(np.arange(2), np.ones((2, num_classes)), np.eye(2, num_classes))  # an untrained model answers anything
    told = [tally.told()]

    tracemalloc.start()
    single = label_measures(np.arange(0, num_classes, 100), np.arange(500), labels)
    several = measured_by((accuracy, macro_f1, micro_f1), join_label_sets(told, labels))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # row 0 alone is right; of 995 labels, 0, 100, 200, 300 and 400 are both an answer and a target
    assert single.measures == pytest.approx(
        {"accuracy": 1 / 500, "micro_f1": 1 / 500, "macro_f1": 1 / 995, "mcc": (500 - 5) / (500**2 - 500)}
    )
    assert several.measures["macro_f1"] == pytest.approx(2 * (2 / 3) / num_classes)
    assert 500 * num_classes > peak


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
