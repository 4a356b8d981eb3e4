"""The optimizer that averages in place of lowering the learning rate: its numbers, and what the model holds when."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seqtrain.api import WantsConstantRate
from seqtrain_optim.optimizer_config import ScheduleFreeConfig
from seqtrain_optim.schedule_free import ScheduleFree


def make_parameter(value: float = 2.0) -> nn.Parameter:
    return nn.Parameter(torch.tensor([value], dtype=torch.float64))


def test_it_wants_a_rate_that_stays():
    """So a scheduler that lowers it gets a warning."""
    assert isinstance(ScheduleFree(ScheduleFreeConfig(), parameters=[make_parameter()]), WantsConstantRate)
    assert ScheduleFree.wants_constant_rate


def test_as_the_paper_s_algorithm():
    """
    Ten updates of a bowl, with a learning rate that changes, agree with algorithm 1 in plain numbers.

    Averages count by the square of the largest learning rate so far, as the authors' code has it.
    """
    config = ScheduleFreeConfig(lr=0.1, betas=(0.9, 0.95), weight_decay=0.3)
    parameter = make_parameter()
    optimizer = ScheduleFree(config, parameters=[parameter])
    x = z = 2.0
    v = weights = largest = 0.0
    for step, lr in enumerate([0.05, 0.1, 0.1, 0.2, 0.1, 0.1, 0.02, 0.1, 0.1, 0.1], start=1):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        y = 0.1 * z + 0.9 * x
        assert parameter.item() == pytest.approx(y)
        (parameter - 3).square().sum().backward()
        optimizer.step()
        gradient = 2 * (y - 3)
        v = 0.95 * v + 0.05 * gradient**2
        z -= lr * (gradient / ((v / (1 - 0.95**step)) ** 0.5 + config.eps) + config.weight_decay * y)
        largest = max(largest, lr)
        weights += largest**2
        x += largest**2 / weights * (z - x)
        assert parameter.item() == pytest.approx(x)


def test_zero_grad_goes_to_the_place_of_the_gradient_once():
    """Asked again before the step, the model stays there; the average is back in place when the step has been taken."""
    parameter = make_parameter()
    optimizer = ScheduleFree(ScheduleFreeConfig(lr=0.5), parameters=[parameter])
    for _ in range(3):
        optimizer.zero_grad()
        parameter.square().sum().backward()
        optimizer.step()
    average = parameter.item()
    optimizer.zero_grad()
    place = parameter.item()
    optimizer.zero_grad()

    assert parameter.item() == place != average
    optimizer.step()
    assert parameter.item() == pytest.approx(average, rel=1e-12)


def test_a_step_without_zero_grad_is_one_all_the_same():
    """Whoever sets gradients by hand gets an update, and the average in place."""
    parameter = make_parameter()
    optimizer = ScheduleFree(ScheduleFreeConfig(lr=0.5), parameters=[parameter])
    parameter.grad = torch.ones_like(parameter)
    optimizer.step()

    assert parameter.item() == pytest.approx(1.5)
    assert optimizer.param_groups[0]["train_mode"] is False


def test_the_average_does_not_wander():
    """Going to and fro between average and gradient point a thousand times, without a gradient, leaves it in place."""
    torch.manual_seed(0)
    parameter = nn.Parameter(torch.randn(1000))
    optimizer = ScheduleFree(ScheduleFreeConfig(lr=0.1), parameters=[parameter])
    for _ in range(3):
        optimizer.zero_grad()
        parameter.square().sum().backward()
        optimizer.step()
    before = parameter.detach().clone()
    for _ in range(1000):
        optimizer.zero_grad()
        optimizer.step()

    torch.testing.assert_close(parameter.detach(), before, rtol=1e-5, atol=1e-5)


def test_a_first_beta_of_zero_is_refused():
    """The average could not be formed from the place of the gradient."""
    with pytest.raises(ValueError, match=r"the first must be above 0, such as 0\.9"):
        ScheduleFreeConfig(betas=(0.0, 0.9))
