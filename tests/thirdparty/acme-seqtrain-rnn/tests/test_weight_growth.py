"""The callback in real runs on toy parts."""

from __future__ import annotations

from typing import Any

import pytest


def state(trainer: Any) -> dict[str, Any]:
    """Return what the callback of a run remembers."""
    found: dict[str, Any] = trainer.state["callbacks.weight_growth"].state_dict()
    return found


def test_it_records_the_largest_growth(make_run: Any) -> None:
    """A growth above 1, of a matrix of the toy model, at one of the steps looked at."""
    record = state(make_run("callbacks.weight_growth.every={steps: 2}", "optimizer.lr=1", steps=6))["record"]

    assert record["growth"] > 1
    assert record["matrix"] in {"embedding.weight", "output.weight"}
    assert record["step"] in {2, 4, 6}


def test_it_stops_a_run_that_grows_too_much(make_run: Any) -> None:
    """The run ends at once, and says why."""
    trainer = make_run(
        "callbacks.weight_growth.every={steps: 1}", "callbacks.weight_growth.limit=1.0001", "optimizer.lr=1", steps=6
    )

    assert trainer.progress.step < 6
    assert "times what it was at first" in trainer.stop_reason


def test_a_resumed_run_compares_with_the_first_weights(make_run: Any) -> None:
    """Not with those it was resumed with."""
    words = ["callbacks.weight_growth.every={steps: 1}", "optimizer.lr=1"]
    first = state(make_run(*words, steps=6, stop_at=3))["first"]
    resumed = make_run(*words, steps=6)

    assert resumed.progress.step == 6
    assert state(resumed)["first"].tolist() == pytest.approx(first.tolist(), rel=0, abs=0)
