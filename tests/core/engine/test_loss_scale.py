"""Training in float16: the loss scale, and steps whose gradient overflows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from seqtrain.engine.engine import in_precision
from seqtrain.engine.optimizer import HIGHEST, LOWEST, LossScale, Optimizer
from seqtrain.errors import ConfigError, NonFiniteError

FP16 = {"precision": "fp16"}


@pytest.fixture
def overflow(toy) -> Callable[..., None]:
    """Let the gradient of the given updates, counted from 1, be infinite."""

    def spoil(*updates: int, loss: float = 1.0) -> None:
        task = toy.registry.parts["task", "toy"]

        class Spoiled(task):
            def train_step(self, sample: Any, model: Any, *rest: Any, **more: Any) -> Any:
                first, *others = super().train_step(sample, model, *rest, **more)
                if rest[-1] + 1 in updates:
                    next(model.parameters()).grad[0] = math.inf
                    first = first * loss
                return (first, *others)

        toy.registry.parts["task", "toy"] = Spoiled

    return spoil


def logged(toy: Any, run: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (toy.folder / run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "train/loss" in line]


def assert_same_end(first: Any, second: Any) -> None:
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name]), name
    assert str(first.optimizer.state_dict()["state"]) == str(second.optimizer.state_dict()["state"])
    assert first.optimizer.loss_scale.state_dict() == second.optimizer.loss_scale.state_dict()


def test_the_scale_is_halved_by_an_overflow_and_doubled_after_many_updates() -> None:
    """The count of updates begins anew with each change."""
    scale = LossScale()
    first = scale.value
    for _ in range(1999):
        scale.count_update()
    assert scale.lower()
    for _ in range(1999):
        scale.count_update()
    assert first / 2 == scale.value
    scale.count_update()
    assert first == scale.value


def test_the_scale_has_limits() -> None:
    """Below the lowest it says so; above the highest it does not rise."""
    scale = LossScale()
    scale.load_state_dict({"value": LOWEST, "since": 0})
    assert not scale.lower()
    scale.load_state_dict({"value": HIGHEST, "since": 1999})
    scale.count_update()
    assert HIGHEST == scale.value


def test_the_gradient_is_what_it_would_be_unscaled_to_the_bit() -> None:
    """The scale is a power of two, and one multiplication takes it out."""
    gradients = []
    for scale in (None, LossScale()):
        torch.manual_seed(1)
        model = nn.Linear(5, 3)
        optimizer = Optimizer(torch.optim.SGD(model.parameters(), lr=1.0), lambda step: 1.0, scale)
        optimizer.backward(model(torch.randn(4, 5)).square().sum())
        optimizer.multiply_grads(1 / 7)
        gradients.append(model.weight.grad)

    assert torch.equal(*gradients)


def test_a_run_computes_in_float16_and_logs_the_scale(toy) -> None:
    """The loss is near that of fp32, and falls."""
    fp32, fp16 = toy.trainer("fp32"), toy.trainer("fp16", trainer=FP16)
    fp32.run()
    fp16.run()

    for left, right in zip(logged(toy, "fp32"), logged(toy, "fp16"), strict=True):
        assert math.isclose(left["train/loss"], right["train/loss"], rel_tol=0.02)
        assert right["train/loss_scale"] == LossScale().value
        assert "train/loss_scale" not in left


def test_an_overflow_lowers_the_scale_and_changes_nothing_else(toy, overflow) -> None:
    """It counts as a step but not as a bad one: the run ends where one ends in which nobody tried it."""
    overflow(1, 2, 7)
    trainer = toy.trainer(trainer=FP16)
    trainer.run()

    assert LossScale().value / 8 == trainer.optimizer.loss_scale.value
    assert 33 == trainer.progress.step
    assert [] == trainer.progress.skipped_steps
    assert "Infinity" not in (toy.folder / "run/metrics.jsonl").read_text()
    steps = [state["step"] for state in trainer.optimizer.state_dict()["state"].values()]
    assert {30.0} == {float(each) for each in steps}


@pytest.mark.parametrize("stop", [6, 7, 12])
def test_a_run_goes_on_to_the_bit_with_its_scale(toy, overflow, stop: int) -> None:
    """Interrupted before or after an overflow."""
    overflow(3, 7)
    straight = toy.trainer("straight", trainer=FP16)
    straight.run()
    toy.trainer("resumed", trainer={**FP16, "max_steps": stop}).run()
    resumed = toy.trainer("resumed", trainer=FP16)
    assert resumed.restore()
    assert resumed.optimizer.loss_scale.value < LossScale().value
    resumed.run()

    assert_same_end(straight, resumed)


def test_a_checkpoint_without_a_scale_can_be_gone_on_from(toy, caplog) -> None:
    """A run that began in fp32 starts with a new scale, and says so; the way back needs nothing."""
    toy.trainer(trainer={"max_epochs": 1}).run()
    trainer = toy.trainer(trainer={**FP16, "max_epochs": 2})
    assert trainer.restore()
    assert "knows nothing of loss_scale" in caplog.text
    trainer.run()
    back = toy.trainer()
    assert back.restore()
    back.run()


def test_a_gradient_that_always_overflows_ends_the_run(toy, overflow) -> None:
    """Once no scale helps, it is a bad step, and the guard says where."""
    overflow(*range(1, 100))
    trainer = toy.trainer(trainer=FP16)
    with pytest.raises(NonFiniteError, match=r"Step 26 .*Nothing was updated"):
        trainer.run()


def test_a_loss_that_is_not_finite_is_a_bad_step_at_once(toy, overflow) -> None:
    """No scale of the loss mends the forward pass."""
    overflow(7, loss=math.nan)
    with pytest.raises(NonFiniteError, match="Step 7 "):
        toy.trainer(trainer=FP16).run()


def test_a_model_that_cannot_be_computed_in_float16_is_refused_with_what_can() -> None:
    """As CPUs have no LSTM in it."""

    def criterion(model: nn.Module, sample: Any) -> Any:
        out, _ = model(torch.randn(2, 3, 4))
        return out.sum(), 1, {}

    cast = in_precision(criterion, "fp16", torch.device("cpu"))
    with pytest.raises(ConfigError, match=r"trainer\.precision=fp16.*bf16 or fp32"):
        cast(nn.LSTM(4, 4, batch_first=True), None)
    in_precision(criterion, "bf16", torch.device("cpu"))(nn.LSTM(4, 4, batch_first=True), None)


def test_other_errors_of_a_model_pass_through_as_they_are() -> None:
    """Only what names a missing kernel is turned into advice."""

    def criterion(model: nn.Module, sample: Any) -> Any:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        in_precision(criterion, "fp16", torch.device("cpu"))(nn.Linear(1, 1), None)
