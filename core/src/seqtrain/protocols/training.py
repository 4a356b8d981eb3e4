"""What the trainer expects of a criterion, of a learning-rate scheduler, and of whatever has state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from seqtrain.batch import Batch

LoggingOutput = Mapping[str, "Tensor | float"]
"""Sums by name. Reported divided by the sample size, except names that start with `num_`, which are totals."""


class Criterion(Protocol):
    """Turns a model and a batch into (summed loss, sample size, sums to log)."""

    def __call__(self, model: nn.Module, sample: Batch, /) -> tuple[Tensor, int, LoggingOutput]:
        """
        Return the loss in nats **summed** over targets, their count, and a dict of sums.

        The dict has at least "loss"; values may be tensors on the device (then detached), so that nothing waits.
        """
        ...


class ModelParameters:
    """
    What an optimizer is given: the parameters of a model that are trained, in the model's order.

    Most optimizers go through them and no more. One that treats some in another way can ask the model which these are.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._trained = [each for each in model.parameters() if each.requires_grad]

    def __iter__(self) -> Iterator[nn.Parameter]:
        return iter(self._trained)


@runtime_checkable
class WantsConstantRate(Protocol):
    """An optimizer that stands in for a falling learning rate, and trains worse where the scheduler lowers it too."""

    wants_constant_rate: bool
    """Whether that is so; a rate that falls then gets a warning at the start."""


class BackwardOptimizer(Protocol):
    """What `Task.train_step` sees of the optimizer."""

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of the (summed) loss to the parameters' gradients."""
        ...


class LRScheduler(Protocol):
    """
    The learning rate as a multiple of the optimizer's own `lr`.

    One with state (`Stateful`) is saved; one with `hookimpl` methods has them called.
    """

    def __call__(self, step: int, /) -> float:
        """Return the factor for update number `step`, counted from 1."""
        ...


@runtime_checkable
class Stateful(Protocol):
    """Has state worth saving: tensors, numbers, strings, lists and dicts with string keys."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any:
        """Take over a saved state."""
        ...


@runtime_checkable
class SuppliesWeights(Stateful, Protocol):
    """A callback that holds other weights than the trained ones, meant for validation and prediction (EMA)."""

    def weights(self) -> Mapping[str, Tensor]:
        """Return parameters by the names they have in the model."""
        ...


class ProgressBar(Protocol):
    """Shows steps and the newest measures."""

    def showing(self, done: int, total: int | None) -> AbstractContextManager[None]:
        """Be shown for a while, from `done` of `total` steps on (None: no limit)."""
        ...

    def advance(self) -> None:
        """Count one step."""
        ...

    def show(self, metrics: Mapping[str, float]) -> None:
        """Show measures, keys with their prefix."""
        ...
