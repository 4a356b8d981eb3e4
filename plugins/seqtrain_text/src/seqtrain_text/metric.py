"""The metrics that `task.metrics` and `task.metric` choose, held to their contract."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Real
from typing import Any, Protocol, runtime_checkable

from seqtrain.api import ConfigError, DescribesMeasures, MeasuresResults, Metric, PluginError, SeqtrainError

AnyMetric = Metric | MeasuresResults
MakeMetric = Callable[[], AnyMetric]
"""What a task is supplied with for `task.metric`."""

OF_CRITERIA = frozenset({"loss", "nll_loss", "ppl"})
"""What criteria report."""


@runtime_checkable
class PreparesForTexts(Protocol):
    """A metric that looks at what it is going to compare, to choose how, to warn, or to refuse."""

    def prepare_for(self, references: Sequence[str], language: str) -> None:
        """
        Get ready, at the start of a training or before the first set is measured.

        Args:
            references: some of the texts that predictions will be compared with.
            language: theirs, as the user calls it, such as "de" or "zho_Hans"; "" if the task knows none.

        Raises:
            ConfigError: such texts cannot be measured with the metric's settings.
        """
        ...


class MakeNamedMetric(Protocol):
    """What a task is supplied with for `task.metrics`; the registry's `build_named` in core."""

    def __call__(self, name: str, settings: object = None, /) -> AnyMetric:
        """Make the metric of this name, with settings if they are of its config class, else with its defaults."""
        ...


@dataclass(frozen=True)
class TextPairs:
    """
    Results that are texts: what every plain `Metric` measures.

    Args:
        predictions: one text for each example, at least one.
        references: as many, in the same order.
    """

    predictions: Sequence[str]
    references: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class OwnMetrics:
    """
    What a task measures, and by which metrics unless the user names others.

    Args:
        names: the metrics, by qualified name.
        measured_types: the classes of the results that the task has.
        settings: the config of those metrics whose config class it is, or is derived from.
        language: of the texts that are compared, as the user calls it; "" if the task knows none.
    """

    names: Sequence[str]
    measured_types: Sequence[type] = (TextPairs,)
    settings: object = None
    language: str = ""


class CheckedMetric:
    """
    A metric whose results can be relied on; what is wrong with them is said with its name.

    Args:
        metric: of either form.
        name: its name, for messages.
        taken: measures that the task reports without it.
        remedy: how to go on without it.

    Raises:
        PluginError: it does not say which way is better, or has a measure that the task has already.
    """

    def __init__(
        self,
        metric: AnyMetric,
        name: str,
        *,
        taken: AbstractSet[str],
        remedy: str = "Choose another task.metric, or none with task.metric=null",
    ) -> None:
        self._metric, self._name, self._taken, self._remedy = metric, name, OF_CRITERIA | taken, remedy
        try:
            higher_is_better = metric.higher_is_better
        except AttributeError as error:
            raise self._error("has no higher_is_better, a set of the names of its measures") from error
        if not isinstance(higher_is_better, AbstractSet):
            raise self._error(f"has {higher_is_better!r} as higher_is_better, and not a set of names")
        self.refuse_taken(higher_is_better)
        self.higher_is_better = frozenset(higher_is_better)
        self.notes: Mapping[str, str] = {}
        """How the latest measures were taken, if the metric says so."""

    def __call__(self, *results: Any) -> dict[str, float]:
        """
        Measure a whole set.

        Args:
            results: predictions and references; or the one object that a `MeasuresResults` metric measures.

        Raises:
            PluginError: the metric fails, or its result is not finite numbers by name.
        """
        measure = self._metric.measure if isinstance(self._metric, MeasuresResults) else self._metric
        with self._named_failures():
            measures = measure(*results)
            self.notes = self._metric.describe_measures() if isinstance(self._metric, DescribesMeasures) else {}
        if not isinstance(measures, Mapping) or not all(isinstance(name, str) for name in measures):
            raise self._error(f"returned {measures!r}, where numbers by name are expected")
        for name, value in measures.items():
            if not isinstance(value, Real) or not math.isfinite(value):
                raise self._error(f"measured {name} as {value!r}, which is no finite number")
        self.refuse_taken(measures)
        return {name: float(value) for name, value in measures.items()}

    def prepare_for(self, references: Sequence[str], language: str) -> None:
        """Let a metric that wants to look at texts do so, before it compares any."""
        if isinstance(self._metric, PreparesForTexts):
            with self._named_failures():
                self._metric.prepare_for(references, language)

    def of(self, results: Sequence[object]) -> dict[str, float]:
        """Measure the first of several results that the metric is for."""
        chosen = next(each for each in results if isinstance(each, self.measured_types))
        if isinstance(self._metric, MeasuresResults):
            return self(chosen)
        assert isinstance(chosen, TextPairs)
        return self(chosen.predictions, chosen.references)

    @property
    def measured_types(self) -> tuple[type, ...]:
        """The classes of results that it measures."""
        return self._metric.measured_types if isinstance(self._metric, MeasuresResults) else (TextPairs,)

    def refuse_taken(self, names: Iterable[str], taken: Iterable[str] = ()) -> None:
        """Refuse names of measures that something else has."""
        found = sorted((self._taken | frozenset(taken)).intersection(names))
        if found:
            raise self._error(f"calls a measure {found[0]!r}, and there is one of that name without it")

    @contextmanager
    def _named_failures(self) -> Iterator[None]:
        """Say whose failure it is, unless the metric says so itself in an error of ours."""
        try:
            yield
        except SeqtrainError:
            raise
        except Exception as error:
            raise PluginError(
                f"The metric {self._name!r} failed: {type(error).__name__}: {error}. "
                f"Run with -v to see where it happened. {self._remedy}."
            ) from error

    def _error(self, what: str) -> PluginError:
        return PluginError(f"The metric {self._name!r} {what}. {self._remedy}.")


class TaskMetrics:
    """
    The metrics of a task: those of `task.metrics`, or its own where that is null, and then the one of `task.metric`.

    Args:
        own: the task's own.
        names: what `task.metrics` says.
        make: makes a metric by its name.
        further: the name and the metric that `task.metric` selects.

    Raises:
        ConfigError: a metric measures something else than the task has.
        PluginError: there is no such metric, or it does not keep its contract.
    """

    def __init__(
        self,
        own: OwnMetrics,
        names: Sequence[str] | None,
        make: MakeNamedMetric,
        further: tuple[str, AnyMetric] | None = None,
    ) -> None:
        self._own = own
        self._metrics: list[CheckedMetric] = []
        self._notes: dict[str, dict[str, str]] = {}
        self._is_prepared = False
        for name in own.names if names is None else names:
            self._add(name, make(name, own.settings), remedy="Leave it out of task.metrics")
        if further is not None:
            self._add(*further)

    def _add(self, name: str, metric: AnyMetric, **remedy: str) -> None:
        checked = CheckedMetric(metric, name, taken=self.higher_is_better, **remedy)
        if not any(issubclass(each, checked.measured_types) for each in self._own.measured_types):
            measured, present = (
                " or ".join(each.__name__ for each in types)
                for types in (checked.measured_types, self._own.measured_types)
            )
            usual = ", ".join(each.rpartition("/")[2] for each in self._own.names)
            raise ConfigError(
                f"The metric {name!r} is not for this task: it measures {measured}, and the task has {present}. "
                f"Choose others; the task's own are {usual}."
            )
        self._metrics.append(checked)

    @property
    def higher_is_better(self) -> frozenset[str]:
        """The measures of which more is better."""
        return frozenset().union(*(each.higher_is_better for each in self._metrics))

    def measures(self, results_type: type) -> bool:
        """Say whether a metric measures results of this class, so that a task need not make others."""
        return any(issubclass(results_type, each.measured_types) for each in self._metrics)

    def prepare(self, references: Sequence[str]) -> None:
        """Let the metrics look at texts like those that are going to be compared, once."""
        if not self._is_prepared:
            self._is_prepared = True
            for metric in self._metrics:
                metric.prepare_for(references, self._own.language)

    def measure(self, split: str, results: Sequence[object]) -> dict[str, float]:
        """
        Measure a split.

        Args:
            split: its name.
            results: one object of each class that the task has.
        """
        measures: dict[str, float] = {}
        notes: dict[str, str] = {}
        for texts in results:
            if isinstance(texts, TextPairs):
                self.prepare(texts.references)
        for metric in self._metrics:
            found = metric.of(results)
            metric.refuse_taken(found, measures)
            measures |= found
            notes |= metric.notes
        self._notes[split] = notes
        return measures

    def notes(self, split: str) -> Mapping[str, str]:
        """Return how the measures of a split were taken, once they were."""
        return self._notes.get(split, {})
