"""Weights whose length is learned apart from their direction."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from seqtrain_conv.weight_norm import make_convolution, make_linear


def test_a_weight_is_worked_by_hand() -> None:
    """Gain 10 times direction (3, 4) / 5."""
    linear = make_linear(2, 1)
    with torch.no_grad():
        linear.parametrizations.weight.original0.fill_(10.0)
        linear.parametrizations.weight.original1.copy_(torch.tensor([[3.0, 4.0]]))

    assert linear.weight.flatten().tolist() == pytest.approx([6.0, 8.0])


def test_a_convolution_has_one_gain_a_channel() -> None:
    """Over all its inputs and all its width, as torch's own parametrization has it."""
    torch.manual_seed(0)
    ours = make_convolution(3, 4, 5, dropout=0.0)
    theirs = nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 4, 5), dim=0)
    gain, direction = torch.rand(4), torch.randn(4, 3, 5)
    with torch.no_grad():
        ours.parametrizations.weight.original0.copy_(gain)
        ours.parametrizations.weight.original1.copy_(direction)
        theirs.parametrizations.weight.original0.copy_(gain[:, None, None])
        theirs.parametrizations.weight.original1.copy_(direction)

    torch.testing.assert_close(ours.weight, theirs.weight)


def test_a_weight_starts_as_it_was_drawn() -> None:
    """The gain is its length at first; biases are zero."""
    linear = make_linear(50, 20)
    gain, direction = linear.parametrizations.weight.original0, linear.parametrizations.weight.original1

    torch.testing.assert_close(gain, direction.norm(dim=1))
    torch.testing.assert_close(linear.weight, direction)
    assert not linear.bias.any()


def test_gains_look_like_biases_to_an_optimizer() -> None:
    """Their one dimension says that they are not to decay."""
    dimensions = {name: each.ndim for name, each in make_convolution(3, 4, 5, dropout=0.0).named_parameters()}

    assert dimensions == {"bias": 1, "parametrizations.weight.original0": 1, "parametrizations.weight.original1": 3}


def test_initial_weights_keep_the_variance() -> None:
    """A linear layer's are drawn with (1 - p) / I, those before gates with 4 (1 - p) / (K I)."""
    torch.manual_seed(0)

    assert make_linear(400, 300, dropout=0.2).weight.std().item() == pytest.approx(math.sqrt(0.8 / 400), rel=0.02)
    convolution = make_convolution(100, 300, 4, dropout=0.2)
    assert convolution.weight.std().item() == pytest.approx(math.sqrt(3.2 / 400), rel=0.02)
