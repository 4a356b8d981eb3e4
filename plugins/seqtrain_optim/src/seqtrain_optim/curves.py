"""
What schedules are drawn with: a warm-up, shares of the way, and the shapes of a fall from 1 to 0.

Everywhere a factor multiplies `optimizer.lr`, and updates are counted from 1.
"""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from seqtrain.api import ConfigError

if TYPE_CHECKING:
    from seqtrain.api import LRScheduler
    from seqtrain_optim.schedule_config import WarmupConfig

C = TypeVar("C", bound="WarmupConfig")

logger = logging.getLogger(__name__)


def count_warmup(config: C, total_steps: int | None) -> C:
    """
    Return the settings with the length of warm-up in updates, where it is given as a share of all updates.

    Raises:
        ConfigError: nobody knows how many updates there will be.
    """
    if config.warmup_share is None:
        return config
    if total_steps is None:
        raise ConfigError(
            f"lr_scheduler.warmup_share={config.warmup_share} is a share of all updates, and this run has no limit of "
            "updates; set trainer.max_steps=N or trainer.max_epochs=N, or lr_scheduler.warmup_steps=N"
        )
    return replace(config, warmup_steps=round(config.warmup_share * total_steps), warmup_share=None)


def after_warmup(config: WarmupConfig, schedule: LRScheduler) -> LRScheduler:
    """Put the warm-up before a schedule: a straight line that reaches 1 in update `warmup_steps`."""

    def factor(step: int) -> float:
        if step <= config.warmup_steps:
            return between(config.warmup_init_factor, step / config.warmup_steps)
        return schedule(step)

    return factor


def last_step(own: int | None, of_the_run: int | None, *, warmup_steps: int = 0) -> int:
    """
    Return the update in which a schedule ends: the scheduler's own setting, or else the run's.

    Raises:
        ConfigError: there is neither.
    """
    last = own or of_the_run
    if last is None:
        raise ConfigError(
            "lr_scheduler: a schedule that decays must know its last update, and this run has no limit of updates; "
            "set trainer.max_steps=N or lr_scheduler.total_steps=N"
        )
    if last <= warmup_steps:
        logger.warning(
            "the schedule ends at update %d, within its warm-up of %d (lr_scheduler.warmup_steps)", last, warmup_steps
        )
    return last


def between(low: float, share: float) -> float:
    """Return the value that lies this share of the way from `low` up to 1."""
    return low + (1 - low) * share


def share_left(step: float, first: float, last: float) -> float:
    """Return which share of the way from `first` to `last` is left at `step`: 1 before it, 0 after."""
    return min(max(last - step, 0) / max(last - first, 1), 1.0)


def half_cosine(left: float) -> float:
    """Fall from 1 to 0 along half a cosine wave."""
    return (1 - math.cos(math.pi * left)) / 2


def one_minus_sqrt(left: float) -> float:
    """Fall from 1 to 0 steeply at first: 1 - sqrt(share done)."""
    return 1 - math.sqrt(1 - left)


def line(left: float) -> float:
    """Fall from 1 to 0 in a straight line."""
    return left


SHAPES = {"linear": line, "cosine": half_cosine, "one_minus_sqrt": one_minus_sqrt}
