"""What holds for every metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import pytest

from seqtrain.config.option import Selection
from seqtrain.protocols import DescribesMeasures, MeasuresResults, Metric
from seqtrain.registry.registry import Registry
from seqtrain_testing.contracts.component import ComponentContract

_TOLERANCE = 1e-9  # relative; sums in another order


class MetricContract(ComponentContract):
    """
    A metric compares predictions with references, and says which way is better.

    One that measures other results than texts (`MeasuresResults`) is tried on those that `results_of` makes of texts.

    `references` are what it is tried on: at least three texts of which no two are alike. `predictions` are some
    that are right in part.
    """

    kind = "metric"
    references: ClassVar[Sequence[str]] = (
        "the small house stands at the river",
        "nobody sees the great bridge over there",
        "Ein Mädchen sieht die große Brücke und lacht",
        "two dogs",
    )
    predictions: ClassVar[Sequence[str]] = (
        "the small house stands at a river",
        "nobody sees a bridge",
        "Ein Mädchen sieht die große Brücke und lacht",
        "two dogs and a cat",
    )

    @pytest.fixture
    def metric(self, registry: Registry, selection: Selection) -> Metric:
        """The metric."""
        return self.on_texts(self.build(registry, selection))

    def results_of(self, predictions: Sequence[str], references: Sequence[str]) -> object:
        """
        Turn texts into results that a `MeasuresResults` metric measures; override it for such a metric.

        Predictions equal to their references must become the best results there are, and each that differs worse.
        """
        pytest.fail(f"{type(self).__name__} must have `results_of`: {self.name} measures results, not texts")

    def on_texts(self, metric: Any) -> Metric:
        """Return what measures texts by a metric of either form."""
        on_texts: Metric = _OnTexts(metric, self.results_of) if isinstance(metric, MeasuresResults) else metric
        return on_texts

    @property
    def wrong(self) -> list[str]:
        """Predictions that each belong to another example."""
        return [*self.references[1:], self.references[0]]

    def test_it_gives_finite_numbers_by_name(self, metric: Metric) -> None:
        """Each is a Python number, as JSON can hold it, whatever the predictions."""
        for predictions in (self.predictions, self.references, self.wrong):
            measures = metric(predictions, self.references)

            assert len(measures) > 0
            assert [name for name in measures if not isinstance(name, str) or not name] == []
            assert unusable(measures) == {}

    def test_the_better_ones_are_among_its_measures(self, metric: Metric) -> None:
        """What `higher_is_better` names is measured, under exactly that name."""
        assert isinstance(metric.higher_is_better, frozenset)
        assert metric.higher_is_better - set(metric(self.predictions, self.references)) == set()

    def test_measures_have_the_same_names_every_time(self, metric: Metric) -> None:
        """A run can follow each of them through all validations."""
        names = [list(metric(texts, self.references)) for texts in (self.predictions, self.references, self.wrong)]

        assert names == [names[0]] * 3

    def test_perfect_predictions_are_best(self, metric: Metric) -> None:
        """In no measure do the references themselves do worse than other predictions, and in one they do better."""
        best = metric(self.references, self.references)
        for predictions in (self.predictions, self.wrong):
            others = metric(predictions, self.references)
            gains = {
                name: (best[name] - others[name]) * (1 if name in metric.higher_is_better else -1) for name in best
            }

            assert {name: gain for name, gain in gains.items() if gain < 0} == {}
            assert max(gains.values()) > 0

    def test_the_same_texts_measure_the_same(self, registry: Registry, selection: Selection, metric: Metric) -> None:
        """Nothing is remembered from one set to the next, nor drawn by chance."""
        first = dict(metric(self.predictions, self.references))
        metric(self.wrong, self.references)

        assert metric(self.predictions, self.references) == first
        assert self.on_texts(self.build(registry, selection))(self.predictions, self.references) == first

    def test_the_order_of_examples_does_not_matter(self, metric: Metric) -> None:
        """Examples that change places together leave the measures as they are."""
        turned = metric(self.predictions[::-1], self.references[::-1])

        assert turned == pytest.approx(metric(self.predictions, self.references), rel=_TOLERANCE)

    def test_every_example_counts(self, metric: Metric) -> None:
        """One wrong prediction is noticed, wherever it stands."""
        best = metric(self.references, self.references)
        unnoticed = [
            index
            for index, wrong in enumerate(self.wrong)
            if metric([*self.references[:index], wrong, *self.references[index + 1 :]], self.references) == best
        ]

        assert unnoticed == []

    def test_one_example_is_enough(self, metric: Metric) -> None:
        """A set of one can be measured."""
        for prediction in (self.references[0], self.wrong[0]):
            assert unusable(metric([prediction], self.references[:1])) == {}

    def test_empty_texts_can_be_measured(self, metric: Metric) -> None:
        """A model may say nothing, and a reference may be empty; neither divides by zero."""
        count = len(self.references)
        for predictions, references in (
            ([""] * count, self.references),
            (self.predictions, [""] * count),
            ([""] * count, [""] * count),
            (["", *self.predictions[1:]], self.references),
            ([""], [""]),
        ):
            assert unusable(metric(predictions, references)) == {}

    def test_its_notes_are_texts(self, registry: Registry, selection: Selection) -> None:
        """What it says of how measures were taken, if it does, can be shown beside them."""
        metric = self.build(registry, selection)
        if not isinstance(metric, DescribesMeasures):
            pytest.skip("it says nothing of how measures are taken")
        self.on_texts(metric)(self.predictions, self.references)
        notes = metric.describe_measures()

        assert isinstance(notes, Mapping)
        assert [name for name, note in notes.items() if not isinstance(name, str) or not isinstance(note, str)] == []

    def test_the_texts_stay_as_they_are(self, metric: Metric) -> None:
        """The caller goes on using its lists."""
        predictions, references = list(self.predictions), list(self.references)
        metric(predictions, references)

        assert (predictions, references) == (list(self.predictions), list(self.references))


class _OnTexts:
    """Measures texts by a metric of results."""

    def __init__(self, metric: MeasuresResults, results_of: Callable[[Sequence[str], Sequence[str]], object]) -> None:
        self._metric, self._results_of = metric, results_of
        self.higher_is_better = metric.higher_is_better

    def __call__(self, predictions: Sequence[str], references: Sequence[str], /) -> Mapping[str, float]:
        results = self._results_of(predictions, references)
        assert isinstance(results, self._metric.measured_types)
        return self._metric.measure(results)


def unusable(measures: Mapping[str, float]) -> dict[str, object]:
    """Return the measures that are not finite Python numbers."""
    return {
        name: value
        for name, value in measures.items()
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)
    }
