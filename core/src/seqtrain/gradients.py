"""What is done to the gradient between backward and the update."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def multiply_gradients(parameters: Sequence[nn.Parameter], factor: float) -> None:
    """Multiply every gradient by `factor`, in place."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if gradients:
        torch._foreach_mul_(gradients, factor)  # what torch's own optimizers use


def clip_gradients(parameters: Sequence[nn.Parameter], max_norm: float | None) -> Tensor:
    """
    Scale the whole gradient down to `max_norm` where it is larger, in place.

    Returns:
        () L2 norm over all gradients before scaling.

    Source:
        Pascanu et al. 2013, arXiv:1211.5063, algorithm 1.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if max_norm is not None:
        nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
    return norm
