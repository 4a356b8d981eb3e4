"""A metric of another plugin is held to its contract."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from seqtrain.errors import DataError, PluginError
from seqtrain_text.metric import CheckedMetric, OwnMetrics, TaskMetrics, TextPairs


def metric(result: object = None, higher_is_better: Any = frozenset()) -> CheckedMetric:
    """Make a checked metric that returns or raises `result`."""

    class Given:
        def __init__(self) -> None:
            self.higher_is_better = higher_is_better

        def __call__(self, predictions: list[str], references: list[str]) -> object:
            if isinstance(result, Exception):
                raise result
            return result

    return CheckedMetric(Given(), "acme/ter", taken=frozenset({"bleu"}))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [41, 41.0, np.float32(41), np.float64(41), np.int64(41), True])
def test_any_finite_number_will_do(value: float) -> None:
    """It becomes a plain float, so that JSON can hold it."""
    measures = metric({"ter": value})(["a"], ["b"])

    assert float is type(measures["ter"])
    assert float(value) == measures["ter"]


def test_no_measure_at_all_is_allowed() -> None:
    """A metric may have nothing to say of a set."""
    assert {} == metric({})(["a"], ["b"])


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (None, "returned None, where numbers by name are expected"),
        (41.2, "returned 41.2, where"),
        ([("ter", 41.2)], "returned .*, where numbers"),
        ({1: 41.2}, "returned {1: 41.2}, where"),
        ({"ter": math.nan}, "measured ter as nan, which is no finite number"),
        ({"ter": -math.inf}, "measured ter as -inf"),
        ({"ter": np.float64("nan")}, "measured ter as .*nan"),
        ({"ter": "41"}, "measured ter as '41'"),
        ({"ter": None}, "measured ter as None"),
        ({"ter": torch.tensor(41.2)}, "measured ter as tensor"),
        ({"ter": 1.0, "bleu": 2.0}, "calls a measure 'bleu', and there is one of that name without it"),
        ({"loss": 1.0}, "calls a measure 'loss'"),
        ({"ppl": 1.0}, "calls a measure 'ppl'"),
        (ZeroDivisionError("no words"), "failed: ZeroDivisionError: no words"),
    ],
)
def test_wrong_results_name_the_metric(result: object, said: str) -> None:
    """And how to go on without it."""
    with pytest.raises(PluginError, match=f"The metric 'acme/ter' {said}.*task.metric=null"):
        metric(result)(["a"], ["b"])


def test_an_error_of_ours_arrives_as_it_is() -> None:
    """A metric may refuse the data in its own words."""
    with pytest.raises(DataError, match=r"^empty references$"):
        metric(DataError("empty references"))(["a"], ["b"])


@pytest.mark.parametrize(
    ("higher_is_better", "said"),
    [
        ({"bleu"}, "calls a measure 'bleu'"),
        ({"ter", "loss"}, "calls a measure 'loss'"),
        ("ter", "has 'ter' as higher_is_better, and not a set of names"),
        (None, "has None as higher_is_better"),
    ],
)
def test_a_metric_that_cannot_be_used_is_refused_before_it_measures(higher_is_better: Any, said: str) -> None:
    """When the task is built, so before anything is trained."""
    with pytest.raises(PluginError, match=f"The metric 'acme/ter' {said}"):
        metric({}, higher_is_better)


def test_a_function_alone_says_nothing_of_what_is_better() -> None:
    """So it is no metric."""
    make: Callable[..., dict[str, float]] = lambda predictions, references: {"ter": 1.0}  # noqa: E731

    with pytest.raises(PluginError, match="has no higher_is_better, a set of the names"):
        CheckedMetric(make, "acme/ter", taken=frozenset())  # type: ignore[arg-type]


class Looks:
    """A metric that is shown the texts first."""

    higher_is_better: frozenset[str] = frozenset()

    def __init__(self, error: Exception | None = None) -> None:
        self.seen: list[tuple[list[str], str]] = []
        self.error = error

    def prepare_for(self, references: list[str], language: str) -> None:
        self.seen.append((references, language))
        if self.error is not None:
            raise self.error

    def __call__(self, predictions: list[str], references: list[str]) -> dict[str, float]:
        return {"looks": len(self.seen)}


@pytest.mark.parametrize("prepared", [True, False])
def test_a_metric_looks_at_texts_once_before_it_compares_any(prepared: bool) -> None:
    """At the start of a training, or at the first measurement where there was none, with the language's name."""
    looks = Looks()
    metrics = TaskMetrics(OwnMetrics(names=("acme/looks",), language="zh"), None, lambda *_: looks)
    if prepared:
        metrics.prepare(["a"])
    pairs = TextPairs(["x"], ["b"])

    assert [{"looks": 1.0}] * 2 == [metrics.measure("test", [pairs]) for _ in range(2)]
    assert [(["a" if prepared else "b"], "zh")] == looks.seen


def test_a_metric_that_fails_to_look_is_named() -> None:
    """Before anything is trained; an error of ours arrives as it is."""
    metrics = TaskMetrics(OwnMetrics(names=("acme/looks",)), None, lambda *_: Looks(ZeroDivisionError("no words")))
    with pytest.raises(PluginError, match=r"'acme/looks' failed: ZeroDivisionError.*Leave it out of task\.metrics"):
        metrics.prepare(["a"])
    metrics = TaskMetrics(OwnMetrics(names=("acme/looks",)), None, lambda *_: Looks(DataError("odd")))
    with pytest.raises(DataError, match=r"^odd$"):
        metrics.prepare(["a"])
