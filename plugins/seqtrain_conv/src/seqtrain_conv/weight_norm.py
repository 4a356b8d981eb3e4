"""
Weights whose length is learned apart from their direction.

I inputs, O outputs, K width of a convolution.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization


class WeightNorm(nn.Module):
    """
    weight = gain * direction / |direction|, with one gain an output.

    torch's own gives gains as many dimensions as weights, by which optimizers could not tell that they are not weights.

    Source:
        Salimans and Kingma 2016, arXiv:1602.07868, equation 2.
    """

    def forward(self, gain: Tensor, direction: Tensor) -> Tensor:
        """Return the weight (O, ...) of gains (O,) and directions (O, ...)."""
        return direction * _like(gain / _lengths(direction), direction)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return gains and directions of a weight (O, ...)."""
        return _lengths(weight), weight


def make_linear(inputs: int, outputs: int, *, dropout: float = 0.0) -> nn.Linear:
    """
    Return a layer that keeps the variance of its inputs, of which a share is dropped; biases are zero.

    Source:
        Gehring et al. 2017, arXiv:1705.03122, section 3.5.
    """
    linear = nn.Linear(inputs, outputs)
    nn.init.normal_(linear.weight, std=math.sqrt((1 - dropout) / inputs))
    _normalise(linear)
    return linear


def make_convolution(inputs: int, outputs: int, width: int, *, dropout: float) -> nn.Conv1d:
    """
    Return a convolution without padding that, with the gates of a GLU after it, keeps the variance of its inputs.

    Source:
        Gehring et al. 2017, arXiv:1705.03122, section 3.5.
    """
    convolution = nn.Conv1d(inputs, outputs, width)
    nn.init.normal_(convolution.weight, std=math.sqrt(4 * (1 - dropout) / (width * inputs)))
    _normalise(convolution)
    return convolution


def _normalise(layer: nn.Linear | nn.Conv1d) -> None:
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    register_parametrization(layer, "weight", WeightNorm())


def _lengths(weight: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(weight.flatten(1), dim=1)
    return lengths


def _like(gain: Tensor, weight: Tensor) -> Tensor:
    return gain.view(-1, *[1] * (weight.ndim - 1))
