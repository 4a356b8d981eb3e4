"""The optimizer as the training step uses it."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn

from seqtrain.engine.gradients import clip_gradients, gradient_norm, multiply_gradients
from seqtrain.protocols import LRScheduler

logger = logging.getLogger(__name__)


class Optimizer:
    """
    A torch optimizer with its learning-rate scheduler, and what is done to the gradient on the way.

    Args:
        inner: the torch optimizer; each group's `lr` is what the scheduler's factor multiplies.
        lr_scheduler: see `LRScheduler`.
        loss_scale: what losses are scaled by, where gradients are computed in float16.
    """

    def __init__(
        self, inner: torch.optim.Optimizer, lr_scheduler: LRScheduler, loss_scale: LossScale | None = None
    ) -> None:
        self._inner = inner
        self._lr_scheduler = lr_scheduler
        self.loss_scale = loss_scale
        self._base_lrs = [float(group["lr"]) for group in inner.param_groups]
        self.parameters: list[nn.Parameter] = [p for group in inner.param_groups for p in group["params"]]
        self.lr_has_fallen = False
        """The last update's learning rate was lower than that of the one before."""

    @property
    def lr(self) -> float:
        """Learning rate of the last update (of the first parameter group)."""
        return float(self._inner.param_groups[0]["lr"])

    @property
    def measures(self) -> dict[str, float]:
        """What is told of the last update: its learning rate, and the loss scale where there is one."""
        return {"lr": self.lr} if self.loss_scale is None else {"lr": self.lr, "loss_scale": self.loss_scale.value}

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self._inner.zero_grad()

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of the (summed) loss, scaled where there is a loss scale."""
        if self.loss_scale is not None:
            loss = loss.float() * self.loss_scale.value
        loss.backward()  # type: ignore[no-untyped-call]

    def multiply_grads(self, factor: float) -> None:
        """Multiply the gradient by `factor`, and take the loss scale out of it."""
        scale = 1.0 if self.loss_scale is None else self.loss_scale.value
        multiply_gradients(self.parameters, factor / scale)

    def grad_norm(self) -> Tensor:
        """Return the L2 norm of the gradient, or of this worker's shards of it, ()."""
        return gradient_norm(self.parameters)

    def clip_grads(self, norm: Tensor, max_norm: float | None) -> None:
        """Scale the gradient, of norm `norm`, down to `max_norm` where it is longer."""
        clip_gradients(self.parameters, norm, max_norm)

    def lower_loss_scale(self) -> bool:
        """Halve the loss scale, as the gradient has overflowed; say whether there is one that can still be lowered."""
        if self.loss_scale is None or not self.loss_scale.lower():
            return False
        logger.info("A step is left out: its gradient overflowed. The loss scale is now %g.", self.loss_scale.value)
        return True

    def step(self, update: int) -> None:
        """Make update number `update`, counted from 1."""
        factor = self._lr_scheduler(update)
        before = self.lr
        for group, base_lr in zip(self._inner.param_groups, self._base_lrs, strict=True):
            group["lr"] = base_lr * factor
        self.lr_has_fallen = update > 1 and self.lr < before
        self._inner.step()
        if self.loss_scale is not None:
            self.loss_scale.count_update()

    def state_dict(self) -> dict[str, Any]:
        """Return the torch optimizer's state; the loss scale is a part of its own."""
        return self._inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a saved state; learning rates come from the scheduler and the present config."""
        self._inner.load_state_dict(state)


HIGHEST = 2.0**24
LOWEST = 2.0**-13
_START = 2.0**12
_GROWS_AFTER = 2000  # updates


class LossScale:
    """
    What losses are multiplied by before the backward pass, and gradients divided by after it.

    It is halved when the gradient overflows, and doubled when it has not for some time; a power of two, so that nothing
    is rounded by it. torch's `GradScaler` does the same, but looks at the gradients itself, on each worker anew, and
    takes a pass of its own over them to divide; here the norm over all workers tells, and one multiplication does.
    It also starts at 2**16, which is beyond float16 for losses that are summed over targets.

    Source:
        Micikevicius et al. 2018, arXiv:1710.03740, section 3.2.
    """

    def __init__(self) -> None:
        self.value = _START
        self._since = 0  # updates since it last changed

    def lower(self) -> bool:
        """Halve it, as the gradient has overflowed; say whether it is still one that helps."""
        self.value /= 2
        self._since = 0
        return self.value >= LOWEST

    def count_update(self) -> None:
        """Count an update, and double it when it is time."""
        self._since += 1
        if self._since == _GROWS_AFTER:
            self.value = min(self.value * 2, HIGHEST)
            self._since = 0

    def state_dict(self) -> dict[str, float]:
        """Return the scale and how long it has been that."""
        return {"value": self.value, "since": self._since}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Take over a saved state."""
        self.value, self._since = float(state["value"]), int(state["since"])
