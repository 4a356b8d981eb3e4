"""Scaling and clipping gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seqtrain.engine.gradients import clip_gradients, gradient_norm, multiply_gradients


def parameters(*gradients: list[float]) -> list[nn.Parameter]:
    made = [nn.Parameter(torch.zeros(len(gradient))) for gradient in gradients]
    for parameter, gradient in zip(made, gradients, strict=True):
        parameter.grad = torch.tensor(gradient)
    return [*made, nn.Parameter(torch.zeros(2))]  # one that took no part


def test_multiplying_scales_every_gradient() -> None:
    """A parameter without a gradient is left alone."""
    made = parameters([2.0], [4.0, 6.0])
    multiply_gradients(made, 0.5)

    assert [[1.0], [2.0, 3.0]] == [parameter.grad.tolist() for parameter in made[:2]]
    assert made[2].grad is None


def test_clipping_scales_the_whole_to_the_norm() -> None:
    """3-4 has norm 5; clipped to 1 it is 0.6-0.8, and the norm before is returned."""
    made = parameters([3.0], [4.0])
    norm = gradient_norm(made)
    clip_gradients(made, norm, 1.0)

    assert 5.0 == norm.item()
    assert pytest.approx([0.6, 0.8], rel=1e-5) == [parameter.grad.item() for parameter in made[:2]]


@pytest.mark.parametrize("max_norm", [None, 10.0])
def test_a_short_gradient_is_left_as_it_is(max_norm: float | None) -> None:
    """Within the limit, or without one, not a bit changes."""
    made = parameters([3.0], [4.0])
    clip_gradients(made, gradient_norm(made), max_norm)

    assert [3.0, 4.0] == [parameter.grad.item() for parameter in made[:2]]
