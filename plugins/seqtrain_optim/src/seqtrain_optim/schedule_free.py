"""The optimizer `schedule_free`: AdamW without a schedule, from the authors' package."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from schedulefree import AdamWScheduleFree  # type: ignore[import-untyped]
from torch import nn

from seqtrain_optim.parameter_groups import decay_groups

if TYPE_CHECKING:
    from seqtrain_optim.optimizer_config import ScheduleFreeConfig


class ScheduleFree(AdamWScheduleFree):  # type: ignore[misc]  # the package has no annotations that mypy may rely on
    """
    Take gradients at one place and keep the weights at another, their average.

    The package wants to be told by `train()` and `eval()` which of the two the model shall hold. A step begins with
    `zero_grad` and ends with `step`, so these do it: between steps the model holds the average, and validation,
    checkpoints and prediction see nothing else. The place of the gradient is formed anew from the average and the
    optimizer's state, so a resumed run resumes bit for bit.

    Source:
        Defazio et al., "The road less scheduled" (2024), algorithm 1.
    """

    wants_constant_rate = True

    def __init__(self, config: ScheduleFreeConfig, *, parameters: Iterable[nn.Parameter]) -> None:
        super().__init__(decay_groups(parameters, config), lr=config.lr, betas=config.betas, eps=config.eps)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradient, and go to where the next one is taken."""
        self.train()
        super().zero_grad(set_to_none)

    def step(self, closure: Any = None) -> Any:
        """Make an update, and put the average in place."""
        self.train()
        result = super().step(closure)
        self.eval()
        return result
