"""Early stopping."""

from __future__ import annotations

import math

import pytest

from seqtrain.config.schema import TrainerConfig
from seqtrain.metrics.best import Measure
from seqtrain.training.stopping import EarlyStopping, described_limits

LOSS = Measure("loss", higher_is_better=False)


class StoppableTrainer:
    reason: str | None = None

    def stop(self, reason: str) -> None:
        self.reason = reason


def feed(stopping: EarlyStopping, name: str, values: list[float]) -> list[bool]:
    stopped = []
    for value in values:
        trainer = StoppableTrainer()
        stopping.seqtrain_validation_end(trainer, {name: value})  # type: ignore[arg-type]
        stopped.append(trainer.reason is not None)
    return stopped


@pytest.mark.parametrize(
    ("higher", "values", "stopped"),
    [
        (False, [3.0, 2.0, 2.0, 2.5, 1.0], [False, False, False, True, False]),
        (True, [3.0, 4.0, 4.0, 3.9, 5.0], [False, False, False, True, False]),
    ],
)
def test_it_stops_after_patience_validations_without_improvement(higher, values, stopped) -> None:
    """Equal is no improvement; the second without one stops the run."""
    assert stopped == feed(EarlyStopping(Measure("m", higher), 2), "m", values)


def test_its_age_survives_a_restart() -> None:
    """A restart between the two bad validations changes nothing."""
    first = EarlyStopping(LOSS, 2)
    feed(first, "loss", [1.0, 1.5])
    second = EarlyStopping(LOSS, 2)
    second.load_state_dict(first.state_dict())

    assert [True] == feed(second, "loss", [1.2])


def test_nan_is_never_an_improvement() -> None:
    """A measure gone wrong counts against the run."""
    assert [False, True] == feed(EarlyStopping(LOSS, 1), "loss", [1.0, float("nan")])


def test_with_another_best_metric_counting_begins_anew() -> None:
    """An accuracy of 0.5 that is two validations old says nothing of a loss: it has all its own validations."""
    first = EarlyStopping(Measure("accuracy", higher_is_better=True), 3)
    feed(first, "accuracy", [0.5, 0.5, 0.5])
    second = EarlyStopping(LOSS, 3)
    second.load_state_dict(first.state_dict())

    assert [False, False, False, True] == feed(second, "loss", [0.7, 0.7, 0.7, 0.7])


@pytest.mark.parametrize(
    ("measure", "best", "values", "stopped"),
    [
        (LOSS, -1.0, [1.0, 0.9, 1.0, 1.0], [True, False, False, True]),  # the age was 1 already
        (Measure("bleu", higher_is_better=True), 20.0, [20.0, 21.0, 3.0, 3.0], [True, False, False, True]),
        (LOSS, -math.inf, [1.0, 1.0, 1.0], [False, False, True]),  # saved before the first validation
    ],
)
def test_a_state_of_an_earlier_version_is_understood(measure, best, values, stopped) -> None:
    """It held the best value, negative where less is better, and did not name the measure."""
    stopping = EarlyStopping(measure, 2)
    stopping.load_state_dict({"best": best, "age": 0 if math.isinf(best) else 1})

    assert stopped == feed(stopping, measure.name, values)


def test_limits_are_described_as_they_are_set() -> None:
    """The keys that a user would type, in the order of the sections' fields."""
    assert described_limits(TrainerConfig(max_epochs=3, patience=2)) == "trainer.max_epochs=3, trainer.patience=2"
    assert described_limits(TrainerConfig()) == ""
