"""What holds for every optimizer."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from seqtrain.config.option import Selection
from seqtrain.registry.registry import Registry
from seqtrain.run.compare import differing, leaves
from seqtrain_testing.contracts.training import TrainedComponentContract

_STEPS = 60


class OptimizerContract(TrainedComponentContract):
    """An optimizer is one of torch's kind: parameter groups with an `lr`, `step`, `zero_grad`, and its state."""

    kind = "optimizer"

    @pytest.fixture
    def parameters(self) -> list[nn.Parameter]:
        """A matrix and a vector, as a layer has them."""
        torch.manual_seed(1)
        return [nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(3))]

    @pytest.fixture
    def optimizer(
        self, registry: Registry, selection: Selection, parameters: list[nn.Parameter]
    ) -> torch.optim.Optimizer:
        """The optimizer of these."""
        return self._make(registry, selection, parameters)

    def _make(self, registry: Registry, selection: Selection, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        built = self.build(registry, selection, parameters=parameters)
        assert isinstance(built, torch.optim.Optimizer)
        return built

    def test_it_takes_parameters_from_a_generator(
        self, registry: Registry, selection: Selection, parameters: list[nn.Parameter]
    ) -> None:
        """`parameters` may be anything that can be gone through once."""
        built = self.build(registry, selection, parameters=(each for each in parameters))

        assert sum(len(group["params"]) for group in built.param_groups) == len(parameters)

    def test_its_groups_hold_every_parameter_once(
        self, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]
    ) -> None:
        """None is forgotten and none is updated twice."""
        held = [id(each) for group in optimizer.param_groups for each in group["params"]]

        assert sorted(held) == sorted(map(id, parameters))

    def test_every_group_has_a_learning_rate(self, optimizer: torch.optim.Optimizer) -> None:
        """The scheduler's factor multiplies each group's `lr`, a number above zero."""
        assert all(float(group["lr"]) > 0 for group in optimizer.param_groups)

    def test_it_lowers_a_loss(self, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]) -> None:
        """Sixty updates of its default kind bring a bowl's loss down."""
        before = float(_loss(parameters).detach())
        _update(optimizer, parameters, _STEPS)

        assert float(_loss(parameters).detach()) < before

    def test_the_learning_rate_is_obeyed(
        self, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]
    ) -> None:
        """With a rate of zero nothing moves, weight decay included."""
        before = [each.detach().clone() for each in parameters]
        for group in optimizer.param_groups:
            group["lr"] = 0.0
        _update(optimizer, parameters, 3)

        assert all(torch.equal(old, new) for old, new in zip(before, parameters, strict=True))

    def test_a_parameter_without_gradient_stays(
        self, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]
    ) -> None:
        """What a step did not use is left alone."""
        before = parameters[1].detach().clone()
        optimizer.zero_grad()
        parameters[0].grad = torch.ones_like(parameters[0])
        optimizer.step()

        assert torch.equal(before, parameters[1])

    def test_its_state_survives_saving_and_loading(
        self, registry: Registry, selection: Selection, optimizer: torch.optim.Optimizer,
        parameters: list[nn.Parameter],
    ) -> None:  # fmt: skip
        """Saved after three updates and loaded into a new one, it makes the next three bit for bit."""
        _update(optimizer, parameters, 3)
        others = [nn.Parameter(each.detach().clone()) for each in parameters]
        other = self._make(registry, selection, others)
        other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        _update(optimizer, parameters, 3)
        _update(other, others, 3)

        assert differing(leaves(optimizer.state_dict()), leaves(other.state_dict())) == []
        assert all(torch.equal(one, two) for one, two in zip(parameters, others, strict=True))


def _loss(parameters: Sequence[nn.Parameter]) -> Tensor:
    """A bowl whose lowest point is at 3, far from where the parameters begin."""
    return torch.stack([(each - 3).square().sum() for each in parameters]).sum()


def _update(optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter], steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        _loss(parameters).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
