"""Which value of a measure is better, and for how long the best has stood."""

from __future__ import annotations

import json
import math

import pytest

from seqtrain.metrics.best import BestSoFar, Measure

LOSS = Measure("loss", higher_is_better=False)
PEARSON = Measure("pearson", higher_is_better=True)


@pytest.mark.parametrize(
    ("measure", "value", "best", "threshold", "improves"),
    [
        (LOSS, 2.0, None, 0.5, True),
        (LOSS, 1.0, 1.0, 0.0, False),
        (LOSS, 0.91, 1.0, 0.1, False),
        (LOSS, 0.89, 1.0, 0.1, True),
        (LOSS, -1.05, -1.0, 0.1, False),  # a loss may be negative, as a density's: -1.1 is what counts as better
        (LOSS, -1.2, -1.0, 0.1, True),
        (PEARSON, -0.46, -0.5, 0.1, False),  # -0.5 + 0.1 * 0.5 = -0.45
        (PEARSON, -0.44, -0.5, 0.1, True),
        (PEARSON, -0.52, -0.5, 0.1, False),  # best * (1 + threshold) = -0.55 would take it for better
        (PEARSON, 0.01, 0.0, 0.1, True),
        (PEARSON, math.nan, None, 0.0, False),
        (PEARSON, math.nan, 0.5, 0.0, False),
    ],
)
def test_better_by_the_threshold_as_a_share_of_the_size_of_the_best(
    measure: Measure, value: float, best: float | None, threshold: float, improves: bool
) -> None:
    """best + threshold * |best| or more where more is better, best - threshold * |best| or less where less is."""
    assert measure.improves(value, best, threshold=threshold) == improves


def test_the_age_counts_validations_without_a_better_value() -> None:
    """A better value begins at nought."""
    best = BestSoFar(PEARSON)

    assert [best.update(value) for value in (-0.9, -0.95, -0.9, -0.2, -0.3)] == [True, False, False, True, False]
    assert (best.value, best.age) == (-0.2, 1)


@pytest.mark.parametrize("other", [Measure("accuracy", higher_is_better=True), Measure("loss", higher_is_better=True)])
def test_the_state_of_another_measure_is_not_taken_over(other: Measure) -> None:
    """Neither the value nor its age says anything of another measure, or of one that is better the other way round."""
    first = BestSoFar(LOSS)
    first.update(0.7)
    first.update(0.8)
    state = json.loads(json.dumps(first.state_dict()))
    same, switched = BestSoFar(LOSS), BestSoFar(other)
    same.load_state_dict(state)
    switched.load_state_dict(state)

    assert (same.value, same.age) == (0.7, 1)
    assert (switched.value, switched.age) == (None, 0)
