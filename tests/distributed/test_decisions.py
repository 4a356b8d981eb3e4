"""What one worker finds out, all act upon."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from seqtrain.config.schema import DistributedConfig, TrainerConfig
from seqtrain.engine.engine import Engine
from seqtrain.errors import TrainingError
from seqtrain.training.diagnostics import describe_gradient_mismatch, diagnose
from seqtrain.training.step_check import StepCheck, StepNumbers

STEPS, BAD_STEP = 9, 5
RUNS = {"skip": ("ddp", "skip"), "rollback": ("fsdp", "rollback")}


def runs(workers: Any) -> dict[str, list[str]]:
    """Return the command lines."""
    return {
        name: workers.words(
            "lm",
            {
                "task.dummy.examples": 64,
                "trainer.micro_batches_per_step": 4,
                "trainer.max_steps": STEPS,
                "trainer.on_bad_step": policy,
                "checkpoint.save": "{steps: 3}",
                "optimizer.eps": 1e-4,
                "distributed.engine": engine,
            },
        )
        for name, (engine, policy) in RUNS.items()
    }


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory, workers_in: Any) -> tuple[Any, Any]:
    """Train with one process and with two; the micro-batch that goes wrong is the second worker's."""
    alone, two = (workers_in(tmp_path_factory.mktemp(name)) for name in ("alone", "two"))
    alone.train(runs(alone), 1, BAD_STEP, 3)
    two.train(runs(two), 2, BAD_STEP, 3)
    return alone, two


@pytest.mark.parametrize("name", RUNS)
def test_all_leave_out_the_step_that_went_wrong_on_one(spoilt: tuple[Any, Any], name: str) -> None:
    """The run ends as that of one process, and the log says which worker it was."""
    alone, two = spoilt
    expected, found = alone.weights(name), two.weights(name)

    for key in expected:
        torch.testing.assert_close(found[key], expected[key], atol=2e-6, rtol=0)
    log = (two.folder / name / "train.log").read_text(encoding="utf-8")
    assert f"Step {BAD_STEP} (epoch 2) gave numbers that are not finite" in log
    assert f"without step {BAD_STEP}" in log
    state = json.loads((two.folder / name / f"checkpoints/step-{STEPS:08}/state.json").read_text(encoding="utf-8"))
    assert [BAD_STEP] == state["progress"]["skipped_steps"]


@pytest.mark.parametrize("stop_at", [4, 5])
def test_a_stop_that_one_worker_is_asked_for_comes_after_the_same_step_for_all(
    tmp_path_factory: pytest.TempPathFactory, workers_in: Any, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    """Where a validation and a save are due at that step (4), and where nothing is: the end is that of one process."""
    monkeypatch.setenv("STOP_AT", str(stop_at))
    found = []
    for world_size in (1, 2):
        workers = workers_in(tmp_path_factory.mktemp(f"stop-{world_size}"))
        settings = {
            "task.dummy.examples": 64,
            "trainer.micro_batches_per_step": 4,
            "trainer.max_steps": STEPS,
            "trainer.validate": "{steps: 4}",
            "checkpoint.save": "{steps: 4}",
            "optimizer.eps": 1e-4,
        }
        workers.train({"lm": workers.words("lm", settings)}, world_size)
        found.append(workers)
    alone, two = found

    assert stop_at == max(line["step"] for line in two.metrics("lm"))
    assert two.metrics("lm") == alone.close_to(alone.metrics("lm"))
    for name, expected in alone.weights("lm").items():
        torch.testing.assert_close(two.weights("lm")[name], expected, atol=2e-6, rtol=0)
    measures = [each.folder / f"lm/checkpoints/step-{stop_at:08}/manifest.json" for each in found]
    assert [True, True] == ["loss" in json.loads(each.read_text())["measures"] for each in measures]


def two_workers(others: list[float]) -> Any:
    """Return an engine whose group has another worker, which says what `others` is."""
    group = SimpleNamespace(world_size=2, all_gather=lambda numbers: [list(numbers), others or list(numbers)])
    return SimpleNamespace(to_local=lambda tensor: tensor, group=group)


def test_a_gradient_that_differs_is_named_with_its_worker() -> None:
    """Of the parameters, the first whose norm is not the same everywhere."""
    model = nn.Linear(2, 1)
    model.weight.grad, model.bias.grad = torch.tensor([[3.0, 4.0]]), torch.tensor([2.0])

    told = describe_gradient_mismatch(model, two_workers([5.0, 2.5]))

    assert "bias, on worker 1" in told
    assert "[2.0, 2.5]" in told
    assert "no single parameter" in describe_gradient_mismatch(model, two_workers([5.0, 2.0]))


@pytest.mark.parametrize(("other", "refused"), [(1.0, False), (1.0 + 1e-7, False), (1.1, True)])
def test_workers_with_unlike_gradients_make_no_update(other: float, refused: bool) -> None:
    """The norms of all are compared before each update; rounding is no difference."""
    checked = StepCheck(TrainerConfig(), Engine(DistributedConfig()))
    by_worker = torch.tensor([[1.0, 2.0], [other, 2.0]], dtype=torch.float64)
    bad_step = checked.check(StepNumbers(7, 1, [], [], by_worker, 1))

    assert refused is (bad_step is not None)
    if bad_step is not None:
        model = nn.Linear(1, 1)
        model.weight.grad, model.bias.grad = torch.ones(1, 1), torch.full((1,), 2.0)
        error = diagnose(bad_step, model, None, two_workers([other, 2.0]), None)
        assert isinstance(error, TrainingError)
        assert "different gradients" in str(error)
        assert "Nothing was updated." in str(error)
        late = diagnose(replace(bad_step, was_applied=True), model, None, two_workers([other, 2.0]), None)
        assert "Nothing was updated." not in str(late)
        assert "saved nowhere" in str(late)
