"""Where numbers went wrong."""

from __future__ import annotations

import torch
from torch import nn

from seqtrain.batch import Batch
from seqtrain.config.schema import DistributedConfig
from seqtrain.engine.engine import Engine
from seqtrain.training.diagnostics import find_origin, gradient_origin


def batch(*ids: int) -> Batch:
    return Batch(
        ids=torch.tensor(ids),
        net_input={},
        target=torch.zeros(len(ids)),
        num_targets=1,
        num_tokens=1,
        num_positions=1,
    )


class Both(nn.Module):
    """Returns a dict that holds a tuple, as models of any kind may."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(1, 1), nn.Linear(1, 1)

    def forward(self, x: torch.Tensor) -> dict[str, object]:
        return {"outputs": (self.first(x), self.second(x)), "ids": torch.tensor([1])}


def test_the_first_module_and_its_micro_batch_are_named() -> None:
    """The first micro-batch is fine; in the second, `second` overflows before the model returns."""
    model = Both()
    inputs = {0: torch.ones(1, 1), 1: torch.full((1, 1), 3e38)}
    with torch.no_grad():
        model.first.weight.zero_()
        model.second.weight.fill_(10.0)  # 3e39 is more than fp32 holds

    origin = find_origin(model, [(0, batch(4)), (1, batch(7, 8))], lambda index, _: model(inputs[index]))

    assert "first in the output of module second" == origin.place
    assert [7, 8] == origin.ids


def test_nested_outputs_are_looked_into() -> None:
    """A dict of tuples that goes wrong outside any submodule is blamed on the model."""

    class Broken(Both):
        def forward(self, x: torch.Tensor) -> dict[str, object]:
            return {"outputs": (self.first(x), x / 0)}

    assert find_origin(Broken(), [(0, batch(1))], lambda _index, _: None) is None
    assert gradient_origin(Broken(), Engine(DistributedConfig()), [1]).place == "only in the norm of the whole gradient"

    model = Broken()
    origin = find_origin(model, [(0, batch(1))], lambda _index, _: model(torch.ones(1, 1)))
    assert "first in the output of module (the model)" == origin.place


def test_hooks_are_removed_afterwards() -> None:
    """Looking leaves nothing behind that would slow training down."""
    model = Both()
    find_origin(model, [(0, batch(1))], lambda _index, _: model(torch.ones(1, 1)))

    assert all(not module._forward_hooks for module in model.modules())
