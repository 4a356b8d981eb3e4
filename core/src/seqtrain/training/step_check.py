"""Whether a step's numbers are such that its update may be made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch import Tensor

from seqtrain.batch import Batch
from seqtrain.config.schema import TrainerConfig
from seqtrain.engine.engine import Engine, HostCopy
from seqtrain.engine.optimizer import LossScale

_DECAY = 0.98  # of the running mean: it remembers some 50 steps
_SETTLED = 50  # steps before a spike can be told from the noise of the beginning
EQUAL_NORMS = 1e-6  # relative difference of norms that adding up in another order may make


@dataclass(frozen=True)
class StepNumbers:
    """
    What a step is judged by.

    Args:
        step: its number, from 1.
        epoch: its epoch.
        samples: this worker's micro-batches.
        losses: theirs, each () and summed over its targets.
        by_worker: (W, 2) the norm of each worker's gradient before clipping, and its summed loss.
        sample_size: targets of the step over all workers.
    """

    step: int
    epoch: int
    samples: Sequence[Batch]
    losses: Sequence[Tensor]
    by_worker: Tensor
    sample_size: int


@dataclass(frozen=True)
class BadStep:
    """
    A step whose update must not be made.

    Args:
        numbers: what it was judged by.
        problem: the loss or gradient is not finite; workers that should have the same gradient have not; or the mean
            loss spikes.
        grad_norm: L2 norm of the gradient as this worker has it.
        was_applied: the update was made before this was known.
        loss, mean, deviation, largest: of a spike, its mean loss, that of the steps before it, their standard
            deviation, and how many of these count as a spike.
    """

    numbers: StepNumbers
    problem: Literal["loss", "gradient", "mismatch", "spike"]
    grad_norm: float
    was_applied: bool
    loss: float = math.nan
    mean: float = math.nan
    deviation: float = math.nan
    largest: float = math.nan

    @property
    def has_overflowed(self) -> bool:
        """Whether the gradient alone is not finite, as it is under a loss scale that is too large."""
        return self.problem == "gradient"


class StepCheck:
    """
    Judges every step.

    On the CPU a step is judged before its update. On an accelerator that would have the host wait for the device, and
    the device then for the host; so the numbers are read one step later, or when something is about to be logged,
    measured or saved. The bad update has been made by then, but is in no checkpoint: the run ends or rolls back to the
    newest one, as it would have before. Where the update itself must be left out, that is under
    `trainer.on_bad_step=skip` and with a loss scale, the host waits.

    Args:
        config: what counts as a spike, and what is done about a bad step.
        engine: whether reading numbers waits for the device, and whether all workers have the same gradient.
        loss_scale: of float16, if there is one.
    """

    def __init__(self, config: TrainerConfig, engine: Engine, loss_scale: LossScale | None = None) -> None:
        self._largest_spike = config.loss_spike
        self._has_same_gradients = engine.replicates_gradients
        self._is_delayed = not (engine.is_synchronous or loss_scale is not None or config.on_bad_step == "skip")
        self._pending: tuple[StepNumbers, HostCopy] | None = None
        self._steps = 0
        self._mean = self._variance = 0.0

    def check(self, numbers: StepNumbers) -> BadStep | None:
        """Judge a step before its update, or, where the check is delayed, the step before it."""
        bad_step = self.settle()
        self._pending = (numbers, HostCopy(numbers.by_worker))
        return bad_step if self._is_delayed else self.settle()

    def settle(self) -> BadStep | None:
        """Judge the step that is still to be judged, if there is one."""
        if self._pending is None:
            return None
        numbers, copy = self._pending
        self._pending = None
        return self._judge(numbers, copy.read())

    def forget(self) -> None:
        """Judge no step that the run has gone back behind."""
        self._pending = None

    def state_dict(self) -> dict[str, float]:
        """Return the running mean and variance of the loss."""
        return {"steps": self._steps, "mean": self._mean, "variance": self._variance}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Take over saved ones."""
        self._steps, self._mean, self._variance = int(state["steps"]), state["mean"], state["variance"]

    def _judge(self, numbers: StepNumbers, by_worker: Sequence[Sequence[float]]) -> BadStep | None:
        norms, losses = zip(*by_worker, strict=True)
        bad_step = partial(BadStep, numbers=numbers, grad_norm=norms[0], was_applied=self._is_delayed)
        if not all(map(math.isfinite, losses)):
            return bad_step(problem="loss")
        if not all(map(math.isfinite, norms)):
            return bad_step(problem="gradient")
        if self._has_same_gradients and max(norms) - min(norms) > EQUAL_NORMS * max(norms):
            return bad_step(problem="mismatch")
        loss = math.fsum(losses) / max(numbers.sample_size, 1)
        deviation = math.sqrt(self._variance)
        if self._largest_spike is None:
            return None
        if self._steps >= _SETTLED and loss > self._mean + self._largest_spike * deviation:
            return bad_step(
                problem="spike", loss=loss, mean=self._mean, deviation=deviation, largest=self._largest_spike
            )
        self._follow(loss)
        return None

    def _follow(self, loss: float) -> None:
        """
        Let mean and variance follow a loss.

        Source:
            Exponentially weighted: West 1979, "Updating mean and variance estimates: an improved method".
        """
        difference = loss - self._mean
        share = max(1 - _DECAY, 1 / (self._steps + 1))
        self._mean += share * difference
        self._variance = (1 - share) * (self._variance + share * difference**2)
        self._steps += 1
