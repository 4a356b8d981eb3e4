"""What is done to the gradient between backward and the update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class Sharded(Protocol):
    """A tensor of which each worker has a part: torch's `DTensor`, which takes a second to import."""

    def to_local(self) -> Tensor:
        """Return this worker's part."""

    def full_tensor(self) -> Tensor:
        """Put the parts of all workers together; all must call it."""


def multiply_gradients(parameters: Sequence[nn.Parameter], factor: float | Tensor) -> None:
    """Multiply every gradient by `factor`, in place."""
    gradients = [_local(gradient) for gradient in _gradients(parameters)]
    if gradients:
        torch._foreach_mul_(gradients, factor)  # what torch's own optimizers use


def gradient_norm(parameters: Sequence[nn.Parameter]) -> Tensor:
    """Return the L2 norm over all gradients, or over this worker's shards of them, ()."""
    return nn.utils.get_total_norm([_local(gradient) for gradient in _gradients(parameters)])


def clip_gradients(parameters: Sequence[nn.Parameter], norm: Tensor, max_norm: float | None) -> None:
    """
    Scale the whole gradient, of norm `norm`, down to `max_norm` where it is longer, in place.

    Source:
        Pascanu et al. 2013, arXiv:1211.5063, algorithm 1.
    """
    if max_norm is not None:
        multiply_gradients(parameters, torch.clamp(max_norm / (norm + 1e-6), max=1.0))  # as torch does it


def _gradients(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def _local(gradient: Tensor) -> Tensor:
    if type(gradient) is not Tensor and isinstance(gradient, Sharded):  # the first is quick
        return gradient.to_local()
    return gradient
