"""The optimizer `lion`, which torch does not have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn, optim

from seqtrain_optim.parameter_groups import decay_groups

if TYPE_CHECKING:
    from seqtrain_optim.optimizer_config import LionConfig


class Lion(optim.Optimizer):
    """
    Move every weight by the learning rate, up or down.

    With m the average of the gradients g::

        w = w - lr * (sign(beta1 * m + (1 - beta1) * g) + weight_decay * w)
        m = beta2 * m + (1 - beta2) * g

    Source:
        Chen et al., "Symbolic discovery of optimization algorithms" (2023), algorithm 2.
    """

    def __init__(self, config: LionConfig, *, parameters: Iterable[nn.Parameter]) -> None:
        super().__init__(decay_groups(parameters, config), {"lr": config.lr, "betas": config.betas})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # torch's has overloads for a closure
        """Make an update."""
        assert closure is None, "no part of seqtrain passes one"
        for group in self.param_groups:
            moved = [each for each in group["params"] if each.grad is not None]
            if moved:
                self._update(moved, group)

    def _update(self, moved: list[Any], group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        gradients = [each.grad for each in moved]
        averages = [self._average(each) for each in moved]
        directions = [each.clone() for each in averages]
        torch._foreach_lerp_(directions, gradients, 1 - beta1)
        torch._foreach_sign_(directions)
        torch._foreach_mul_(moved, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(moved, directions, alpha=-group["lr"])
        torch._foreach_lerp_(averages, gradients, 1 - beta2)

    def _average(self, parameter: nn.Parameter) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["average"] = torch.zeros_like(parameter)
        average: Tensor = state["average"]
        return average
