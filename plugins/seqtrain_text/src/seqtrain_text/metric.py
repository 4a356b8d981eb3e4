"""The further measure that `task.metric` selects, held to its contract."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from numbers import Real

from seqtrain.api import Metric, PluginError, SeqtrainError

MakeMetric = Callable[[], Metric]

OF_CRITERIA = frozenset({"loss", "nll_loss", "ppl"})
"""What criteria report."""


class CheckedMetric:
    """
    A metric whose results can be relied on; what is wrong with them is said with its name.

    Args:
        metric: compares predictions with references.
        name: its name, for messages.
        taken: measures that the task reports without it.

    Raises:
        PluginError: it does not say which way is better, or has a measure that the task has already.
    """

    def __init__(self, metric: Metric, name: str, *, taken: AbstractSet[str]) -> None:
        self._metric, self._name, self._taken = metric, name, OF_CRITERIA | taken
        try:
            higher_is_better = metric.higher_is_better
        except AttributeError as error:
            raise self._error("has no higher_is_better, a set of the names of its measures") from error
        if not isinstance(higher_is_better, AbstractSet):
            raise self._error(f"has {higher_is_better!r} as higher_is_better, and not a set of names")
        self._refuse_taken(higher_is_better)
        self.higher_is_better = frozenset(higher_is_better)

    def __call__(self, predictions: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        """
        Measure a whole set.

        Raises:
            PluginError: the metric fails, or its result is not finite numbers by name.
        """
        try:
            measures = self._metric(predictions, references)
        except SeqtrainError:
            raise
        except Exception as error:
            raise PluginError(
                f"The metric {self._name!r} failed: {type(error).__name__}: {error}. "
                "Run with -v to see where it happened, or set task.metric=null."
            ) from error
        if not isinstance(measures, Mapping) or not all(isinstance(name, str) for name in measures):
            raise self._error(f"returned {measures!r}, where numbers by name are expected")
        for name, value in measures.items():
            if not isinstance(value, Real) or not math.isfinite(value):
                raise self._error(f"measured {name} as {value!r}, which is no finite number")
        self._refuse_taken(measures)
        return {name: float(value) for name, value in measures.items()}

    def _refuse_taken(self, names: Iterable[str]) -> None:
        taken = sorted(self._taken.intersection(names))
        if taken:
            raise self._error(f"calls a measure {taken[0]!r}, and there is one of that name without it")

    def _error(self, what: str) -> PluginError:
        return PluginError(
            f"The metric {self._name!r} {what}. Choose another task.metric, or none with task.metric=null."
        )
