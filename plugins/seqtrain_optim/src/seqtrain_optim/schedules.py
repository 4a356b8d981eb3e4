"""
The schedulers without state: functions from the update's number, counted from 1, to a factor of `optimizer.lr`.

All begin with a linear warm-up that reaches 1 in update `warmup_steps`, so the first factor is above 0.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from seqtrain.api import ConfigError

if TYPE_CHECKING:
    from seqtrain.api import LRScheduler
    from seqtrain_optim.config import (
        CosineConfig,
        FixedConfig,
        InverseSqrtConfig,
        PolynomialDecayConfig,
        WarmupConfig,
        WSDConfig,
    )

logger = logging.getLogger(__name__)


def fixed(config: FixedConfig, *, total_steps: int | None) -> LRScheduler:
    """Make a schedule that stays at 1 after warm-up."""
    del total_steps  # it has no end
    return after_warmup(config, lambda _step: 1.0)


def inverse_sqrt(config: InverseSqrtConfig, *, total_steps: int | None) -> LRScheduler:
    """
    Make a schedule that falls as sqrt(warmup_steps / step) after warm-up, or 1 / sqrt(step) without one.

    Source:
        Vaswani et al., "Attention is all you need" (2017), section 5.3; scaled as in fairseq, so that its peak is 1.
    """
    del total_steps  # it has no end
    return after_warmup(config, lambda step: math.sqrt(max(config.warmup_steps, 1) / step))


def polynomial_decay(config: PolynomialDecayConfig, *, total_steps: int | None) -> LRScheduler:
    """
    Make a schedule that falls to `end_factor` as (share of updates left) ** power.

    Source:
        fairseq's polynomial_decay.
    """
    last = _last_step(config, total_steps)
    return after_warmup(
        config,
        lambda step: _between(config.end_factor, _share_left(step, config.warmup_steps, last) ** config.power),
    )


def cosine(config: CosineConfig, *, total_steps: int | None) -> LRScheduler:
    """
    Make a schedule that falls to `min_factor` along half a cosine wave.

    Source:
        Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017), equation 5, one cycle.
    """
    last = _last_step(config, total_steps)
    return after_warmup(
        config,
        lambda step: _between(config.min_factor, _half_cosine(_share_left(step, config.warmup_steps, last))),
    )


def wsd(config: WSDConfig, *, total_steps: int | None) -> LRScheduler:
    """
    Make a schedule that stays at 1 and falls to `end_factor` in the last updates: warm-up, stable, decay.

    Source:
        Hu et al., "MiniCPM" (2024), section 4; the shape `one_minus_sqrt` from Hägele et al., "Scaling laws and
        compute-optimal training beyond fixed training durations" (2024).
    """
    last = _last_step(config, total_steps)
    decay_steps = config.decay_steps or math.ceil(config.decay_share * last)
    stable_until = max(last - decay_steps, config.warmup_steps)
    shape = _SHAPES[config.shape]
    return after_warmup(config, lambda step: _between(config.end_factor, shape(_share_left(step, stable_until, last))))


def after_warmup(config: WarmupConfig, schedule: LRScheduler) -> LRScheduler:
    """Put the warm-up before a schedule: a straight line that reaches 1 in update `warmup_steps`."""

    def factor(step: int) -> float:
        if step <= config.warmup_steps:
            return _between(config.warmup_init_factor, step / config.warmup_steps)
        return schedule(step)

    return factor


def _last_step(config: PolynomialDecayConfig | CosineConfig | WSDConfig, total_steps: int | None) -> int:
    """Return the update in which the decay ends: the scheduler's own setting, or else the run's."""
    last = config.total_steps or total_steps
    if last is None:
        raise ConfigError(
            "lr_scheduler: a schedule that decays must know its last update, and this run has no limit of updates; "
            "set trainer.max_steps=N or lr_scheduler.total_steps=N"
        )
    if last <= config.warmup_steps:
        logger.warning(
            "the schedule ends at update %d, within its warm-up of %d (lr_scheduler.warmup_steps)",
            last,
            config.warmup_steps,
        )
    return last


def _between(low: float, share: float) -> float:
    """Return the value that lies this share of the way from `low` up to 1."""
    return low + (1 - low) * share


def _share_left(step: int, first: int, last: int) -> float:
    """Return which share of the updates from `first` to `last` is left at `step`: 1 before them, 0 after."""
    return min(max(last - step, 0) / max(last - first, 1), 1.0)


def _half_cosine(left: float) -> float:
    """Fall from 1 to 0 along half a cosine wave."""
    return (1 - math.cos(math.pi * left)) / 2


def _one_minus_sqrt(left: float) -> float:
    """Fall from 1 to 0 steeply at first: 1 - sqrt(share done)."""
    return 1 - math.sqrt(1 - left)


def _line(left: float) -> float:
    """Fall from 1 to 0 in a straight line."""
    return left


_SHAPES = {"linear": _line, "cosine": _half_cosine, "one_minus_sqrt": _one_minus_sqrt}
