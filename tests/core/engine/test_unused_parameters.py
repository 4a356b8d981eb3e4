"""A parameter that a step does not use has a gradient of zero, and is updated as any other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqtrain.config.schema import DistributedConfig
from seqtrain.engine.engine import Engine
from seqtrain.run.compare import differing, leaves
from seqtrain_testing.toy import ToyModel
from seqtrain_testing.toy_config import ToyModelConfig


class Leaky(ToyModel):
    """Has one parameter that nothing uses, and one that half of the passes leave out."""

    def __init__(self, *, spec: Any, zeros: bool = False) -> None:
        super().__init__(ToyModelConfig(dropout=0.0), spec=spec)
        self.unused = nn.Parameter(torch.full((3,), 2.0))
        self.sometimes = nn.Parameter(torch.ones(8))
        self.zeros = zeros

    def forward(self, tokens: Tensor) -> Tensor:  # type: ignore[override]
        features = self.embedding(tokens)
        if self.training:
            if torch.rand(()) < 0.5:
                features = features * self.sometimes
            elif self.zeros:
                features = features + 0 * self.sometimes
            if self.zeros:
                features = features + 0 * self.unused.sum()
        return self.output(features)


def adamw(_config: object, *, parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=0.05, weight_decay=0.1)


def state_of(toy: Any, name: str, *, zeros: bool = False, max_steps: int = 12) -> dict[str, Any]:
    toy.registry.parts["model", "toy"] = lambda _config, *, spec: Leaky(spec=spec, zeros=zeros)
    toy.registry.parts["optimizer", "toy"] = adamw
    trainer = toy.trainer(name, trainer={"max_steps": max_steps})
    trainer.restore()
    trainer.run()
    return {key: part.state_dict() for key, part in trainer.state.items() if key in ("model", "optimizer", "metrics")}


def test_no_gradient_and_a_gradient_of_zero_are_one(toy) -> None:
    """The update, its norm and what the optimizer remembers are those of a model that uses everything, times zero."""
    assert differing(leaves(state_of(toy, "none")), leaves(state_of(toy, "zeros", zeros=True))) == []


def test_what_is_never_used_decays(toy) -> None:
    """As all weights do that the loss does not hold up."""
    state = state_of(toy, "run")

    assert state["model"]["unused"].tolist() == pytest.approx([2 * _decay(12)] * 3, rel=1e-5)


def _decay(steps: int) -> float:
    factor = 1.0
    for step in range(1, steps + 1):
        factor *= 1 - 0.05 * (1.0 if step < 10 else 10.0 / step) * 0.1
    return factor


def test_an_interrupted_run_goes_on_to_the_bit(toy) -> None:
    """Whatever the steps before and after left out."""
    whole = state_of(toy, "whole")
    state_of(toy, "parts", max_steps=7)

    assert differing(leaves(whole), leaves(state_of(toy, "parts"))) == []


def test_a_frozen_parameter_has_no_gradient() -> None:
    """And so no optimizer touches it."""
    trained, frozen = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2), requires_grad=False)
    Engine(DistributedConfig(device="cpu")).fill_gradients([trained, frozen])

    assert trained.grad is not None
    assert not trained.grad.any()
    assert frozen.grad is None
