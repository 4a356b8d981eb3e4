"""The schedules that go in waves, against numbers worked by hand and against torch's."""

from __future__ import annotations

import pytest
import torch
from torch.optim import lr_scheduler

from seqtrain.errors import ConfigError
from seqtrain_optim.cycles import cosine, one_cycle, triangular
from seqtrain_optim.schedule_config import CosineConfig, OneCycleConfig, StepConfig, TriangularConfig
from seqtrain_optim.schedules import step


def torchs(make, steps: int, **settings) -> list[float]:
    """Return the learning rates of torch's scheduler in updates 1 to `steps`, where the optimizer's own is 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    scheduler = make(optimizer, **settings)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_cosine_by_hand():
    """A third of the way down, cos(pi/3) = 1/2 leaves 3/4; half way, 1/2; of the range above the least factor."""
    schedule = cosine(CosineConfig(warmup_steps=4, min_factor=0.2), total_steps=16)
    assert [schedule(step) for step in (4, 8, 10, 16, 20)] == pytest.approx([1.0, 0.8, 0.6, 0.2, 0.2])


def test_cosine_in_waves_by_hand():
    """
    After two updates of warm-up a wave of four, then one of eight at half the height.

    Half way down each, it is at (1 + 0.2) / 2 of its height.
    """
    config = CosineConfig(warmup_steps=2, min_factor=0.2, period_steps=4, period_growth=2.0, shrink=0.5)
    schedule = cosine(config, total_steps=None)
    assert [schedule(n) for n in (1, 2, 4, 6, 10, 14)] == pytest.approx([0.5, 1.0, 0.6, 0.5, 0.3, 0.25])


@pytest.mark.parametrize("growth", [1, 2])
def test_cosine_restarts_as_torch_does(growth):
    """Two hundred updates of waves of ten, each as high as the first; torch counts from 0."""
    config = CosineConfig(min_factor=0.1, period_steps=10, period_growth=growth, shrink=1.0)
    schedule = cosine(config, total_steps=None)
    theirs = torchs(lr_scheduler.CosineAnnealingWarmRestarts, 200, T_0=10, T_mult=growth, eta_min=0.1)
    assert [schedule(n) for n in range(1, 200)] == pytest.approx(theirs[1:])


def test_triangular_by_hand():
    """Periods of eight: up from a fifth to 1 and down, then to a half and down, never below a fifth."""
    schedule = triangular(TriangularConfig(period_steps=8, min_factor=0.2, shrink=0.5), total_steps=None)
    factors = [schedule(n) for n in (1, 2, 4, 6, 8, 12, 16, 20, 28)]
    assert factors == pytest.approx([0.4, 0.6, 1.0, 0.6, 0.2, 0.5, 0.2, 0.25, 0.2])


def test_triangular_as_torch_does():
    """Without shrinking it is torch's cycle; torch counts from 0."""
    schedule = triangular(TriangularConfig(period_steps=20, min_factor=0.25, shrink=1.0), total_steps=None)
    theirs = torchs(lr_scheduler.CyclicLR, 100, base_lr=0.25, max_lr=1.0, step_size_up=10, cycle_momentum=False)
    assert [schedule(n) for n in range(1, 100)] == pytest.approx(theirs[1:])


@pytest.mark.parametrize(("shape", "theirs"), [("cosine", "cos"), ("linear", "linear")])
@pytest.mark.parametrize(("total", "rise_share"), [(3, 0.5), (10, 0.3), (101, 0.3), (101, 0.01)])
def test_one_cycle_as_torch_does(shape, theirs, total, rise_share):
    """Every update has the learning rate of torch's, with its defaults and with other settings."""
    schedule = one_cycle(OneCycleConfig(shape=shape, rise_share=rise_share), total_steps=total)
    expected = torchs(
        lr_scheduler.OneCycleLR, total - 1, max_lr=1.0, total_steps=total, pct_start=rise_share,
        anneal_strategy=theirs, cycle_momentum=False,
    )  # fmt: skip
    assert [schedule(n) for n in range(1, total)] == pytest.approx(expected)


def test_one_cycle_by_hand():
    """Of ten updates three rise from a fifth in a line, seven fall to a tenth; after the last it stays there."""
    config = OneCycleConfig(start_factor=0.2, end_factor=0.3, shape="linear")
    schedule = one_cycle(config, total_steps=10)
    assert [schedule(n) for n in (1, 2, 3, 10, 11)] == pytest.approx([0.2, 0.6, 1.0, 0.3, 0.3])


def test_one_cycle_without_room_to_rise_begins_on_the_way_down():
    """Of two updates the peak would be in 0.6, so the first is 0.4 / 1.4 of the way down."""
    schedule = one_cycle(OneCycleConfig(shape="linear", end_factor=0.0), total_steps=2)
    assert [schedule(1), schedule(2)] == pytest.approx([1 / 1.4, 0.0])


def test_one_cycle_without_an_end_is_refused():
    """The error names both settings that would give one."""
    with pytest.raises(ConfigError, match=r"trainer\.max_steps=N or lr_scheduler\.total_steps=N"):
        one_cycle(OneCycleConfig(), total_steps=None)


def test_step_as_torch_does():
    """Cuts every seven updates; torch counts from 0."""
    schedule = step(StepConfig(period_steps=7, shrink=0.5), total_steps=None)
    theirs = torchs(lr_scheduler.StepLR, 50, step_size=7, gamma=0.5)
    assert [schedule(n) for n in range(1, 50)] == pytest.approx(theirs[1:])
