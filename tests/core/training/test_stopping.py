"""Early stopping."""

from __future__ import annotations

import pytest

from seqtrain.training.stopping import EarlyStopping


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
    assert stopped == feed(EarlyStopping("m", 2, higher_is_better=higher), "m", values)


def test_its_age_survives_a_restart() -> None:
    """A restart between the two bad validations changes nothing."""
    first = EarlyStopping("loss", 2, higher_is_better=False)
    feed(first, "loss", [1.0, 1.5])
    second = EarlyStopping("loss", 2, higher_is_better=False)
    second.load_state_dict(first.state_dict())

    assert [True] == feed(second, "loss", [1.2])


def test_nan_is_never_an_improvement() -> None:
    """A measure gone wrong counts against the run."""
    assert [False, True] == feed(EarlyStopping("loss", 1, higher_is_better=False), "loss", [1.0, float("nan")])
