"""Parts that do not go together are found before anything is trained."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqtrain.errors import ConfigError
from seqtrain.protocols import WantsConstantRate
from seqtrain.training.sanity_check import warn_of_falling_rate
from seqtrain_testing.toy import ToyModel
from seqtrain_testing.toy_config import ToyModelConfig


def test_a_model_that_takes_other_inputs_is_refused(toy) -> None:
    """Both sides are listed, and all three parts are named."""

    class Translator(nn.Module):
        def forward(self, source_tokens: Tensor, prev_output_tokens: Tensor) -> Tensor:
            raise AssertionError

    toy.registry.parts["model", "toy"] = lambda _config, *, spec: Translator()

    with pytest.raises(ConfigError) as caught:
        toy.trainer()
    for said in (
        "task.name=toy", "model.name=toy", "criterion.name=toy",
        "takes source_tokens, prev_output_tokens", "hold tokens", "plugins list --kind model",
    ):  # fmt: skip
        assert said in str(caught.value)


def test_a_task_may_refuse_a_model(toy) -> None:
    """What it says is told with the names of the parts."""
    task = toy.registry.parts["task", "toy"]

    class Choosy(task):
        def check_model(self, model: nn.Module) -> None:
            raise ConfigError("It is too small.")

    toy.registry.parts["task", "toy"] = Choosy

    with pytest.raises(ConfigError, match=r"model\.name=toy .* It is too small\."):
        toy.trainer()


def test_a_criterion_may_refuse_what_it_is_given(toy) -> None:
    """It is asked of the smallest batch there is, which it would meet in training only after a while."""
    seen = []

    def refuse(_config: object, *, spec: object) -> Any:
        def criterion(_model: nn.Module, sample: Any) -> Any:
            seen.append(sample)
            raise ConfigError("criterion.sign is wrong")

        return criterion

    toy.registry.parts["criterion", "toy"] = refuse

    with pytest.raises(ConfigError, match=r"criterion\.sign is wrong"):
        toy.trainer()
    (batch,) = seen
    dataset = toy.registry.parts["task", "toy"](None).dataset("train")
    shortest = sorted(dataset.lengths(0, len(dataset)).max(axis=1))[:2]
    assert batch.target.shape == (2, shortest[1])


def test_the_trial_changes_nothing(toy) -> None:
    """The model is as it was made: weights, mode, and no gradient."""
    trainer = toy.trainer()
    trainer.engine.seed_initialisation()
    as_made = toy.registry.parts["model", "toy"](None, spec=trainer.task.model_spec)

    assert trainer.model.training
    assert all(each.grad is None for each in trainer.model.parameters())
    for expected, found in zip(as_made.parameters(), trainer.model.parameters(), strict=True):
        assert torch.equal(expected, found)


def test_a_bug_in_a_model_is_not_hidden(toy) -> None:
    """An error that is no refusal comes through as it is, so that its author sees where it was."""

    class Broken(ToyModel):
        def forward(self, tokens: Tensor) -> Tensor:  # type: ignore[override]
            return tokens.no_such_thing

    toy.registry.parts["model", "toy"] = lambda _config, *, spec: Broken(ToyModelConfig(), spec=spec)

    with pytest.raises(AttributeError, match="no_such_thing"):
        toy.trainer()


class Averaging:
    """An optimizer that stands in for a falling rate."""

    wants_constant_rate = True


class Waiting:
    """A scheduler that falls only when it has seen something."""

    def __call__(self, step: int, /) -> float:
        return 1.0

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        return None


@pytest.mark.parametrize(
    ("schedule", "total_steps", "falls"),
    [
        (lambda _step: 1.0, None, False),
        (lambda step: min(1.0, step / 100), 1000, False),
        (lambda step: step**-0.5, None, True),
        (lambda step: 1.0 if step < 900 else 0.5, 1000, True),
        (lambda step: 1.0 if step < 900_000 else 0.5, None, True),
        (lambda step: 1.0, 1, False),
        (Waiting(), 1000, True),
    ],
)
def test_a_falling_rate_is_warned_of(schedule, total_steps, falls, caplog) -> None:
    """Where the optimizer says that it wants none; once, with what to choose."""
    optimizer = Averaging()
    assert isinstance(optimizer, WantsConstantRate)
    with caplog.at_level(logging.WARNING):
        warn_of_falling_rate(optimizer, schedule, total_steps)
        warn_of_falling_rate(torch.optim.SGD([nn.Parameter(torch.ones(1))]), schedule, total_steps)

    assert len(caplog.records) == falls
    assert ("--lr-scheduler fixed" in caplog.text) == falls
