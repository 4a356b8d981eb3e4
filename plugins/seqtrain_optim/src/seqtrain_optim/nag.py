"""The optimizer `nag`: Nesterov's accelerated gradient with fairseq's weight decay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn, optim

from seqtrain_optim.parameter_groups import can_fuse, decay_groups

if TYPE_CHECKING:
    from seqtrain_optim.optimizer_config import NAGConfig


class NAG(optim.SGD):
    """
    Torch's SGD with Nesterov's momentum, and weight decay apart from the gradient.

    fairseq keeps its momentum in steps and corrects it when the learning rate changes; torch keeps it in gradients,
    where there is nothing to correct. Both make the same updates.

    Source:
        Sutskever et al., "On the importance of initialization and momentum in deep learning" (2013), as rewritten by
        Bengio, Boulanger-Lewandowski and Pascanu, "Advances in optimizing recurrent networks" (2013), equation 7.
    """

    def __init__(self, config: NAGConfig, *, parameters: Iterable[nn.Parameter]) -> None:
        groups = decay_groups(parameters, config)
        for group in groups:
            group["decoupled_weight_decay"] = group.pop("weight_decay")  # the other is SGD's own, by the gradient
        super().__init__(
            groups, lr=config.lr, momentum=config.momentum, nesterov=True, fused=can_fuse(groups, of_parts=False)
        )

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take off the decay, then make SGD's step."""
        for group in self.param_groups:
            decayed = [each for each in group["params"] if each.grad is not None]
            if decayed and group["decoupled_weight_decay"]:
                torch._foreach_mul_(decayed, 1 - group["lr"] * group["decoupled_weight_decay"])
        return super().step(closure)
