"""A run that goes on with more or fewer workers sees the same examples in the same steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch

pytestmark = pytest.mark.slow

STEPS = 24
MOVES = {  # until which step, by how many workers, with which engine; the epoch ends after step 16
    "ddp": [(7, 2, "ddp"), (13, 1, "ddp"), (STEPS, 3, "ddp")],
    "fsdp": [(6, 2, "fsdp"), (11, 3, "fsdp"), (15, 1, "ddp"), (STEPS, 2, "ddp")],
}
TOLERANCE = 2e-6  # see test_invariance.py


def settings(steps: int, engine: str) -> dict[str, object]:
    """Return those of a run of that many steps."""
    return {
        "task.dummy.examples": 4 * (5 * 15 + 2),
        "trainer.micro_batches_per_step": 5,
        "trainer.max_steps": steps,
        "optimizer.eps": 1e-4,
        "optimizer.lr": 0.005,
        "callbacks.ema.decay": 0.9,
        "distributed.engine": engine,
    }


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory, workers_in: Any) -> Any:
    """Train one run undisturbed, and each of the others by changing workers."""
    workers = workers_in(tmp_path_factory.mktemp("moved"))
    workers.train({"undisturbed": workers.words("translation", settings(STEPS, "ddp"))}, 1)
    for name, moves in MOVES.items():
        for steps, world_size, engine in moves:
            workers.train({name: workers.words("translation", settings(steps, engine))}, world_size)
    return workers


@pytest.mark.fault("F13")
@pytest.mark.parametrize("name", MOVES)
def test_each_step_has_the_examples_of_the_undisturbed_run(moved: Any, name: str) -> None:
    """None is lost and none comes twice, within an epoch and after it."""
    expected = moved.examples_by_step("undisturbed")

    assert list(range(1, STEPS + 1)) == sorted(expected)
    assert expected == moved.examples_by_step(name)


@pytest.mark.fault("F13")
@pytest.mark.parametrize("name", MOVES)
def test_the_weights_are_those_of_the_undisturbed_run(moved: Any, name: str) -> None:
    """Moments, averages and the learning rate have moved with the run."""
    expected, found = moved.weights("undisturbed"), moved.weights(name)

    for key in expected:
        torch.testing.assert_close(found[key], expected[key], atol=TOLERANCE, rtol=0)


@pytest.mark.fault("F13")
@pytest.mark.parametrize("name", MOVES)
def test_the_measures_are_those_of_the_undisturbed_run(moved: Any, name: str) -> None:
    """What workers had added up before a move is reported after it."""
    expected, found = (
        [line for line in moved.metrics(run) if line["split"] in ("train", "epoch")] for run in ("undisturbed", name)
    )

    assert len(expected) > 4
    assert found == moved.close_to(expected)
