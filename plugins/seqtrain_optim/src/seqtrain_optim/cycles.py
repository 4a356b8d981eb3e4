"""The schedulers without state that go in waves: `cosine`, `triangular` and `one_cycle`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqtrain_optim.curves import SHAPES, after_warmup, between, count_warmup, half_cosine, last_step, share_left

if TYPE_CHECKING:
    from seqtrain.api import LRScheduler
    from seqtrain_optim.schedule_config import CosineConfig, OneCycleConfig, TriangularConfig


def cosine(config: CosineConfig, *, total_steps: int | None) -> LRScheduler:
    """
    Make a schedule that falls to `min_factor` along half a cosine wave; with `period_steps`, along one after another.

    Source:
        Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017), equation 5; the peaks
        that shrink are fairseq's.
    """
    config = count_warmup(config, config.total_steps or total_steps)
    if config.period_steps is not None:
        return after_warmup(config, _waves(config, config.period_steps))
    last = last_step(config.total_steps, total_steps, warmup_steps=config.warmup_steps)
    return after_warmup(
        config,
        lambda step: between(config.min_factor, half_cosine(share_left(step, config.warmup_steps, last))),
    )


def triangular(config: TriangularConfig, *, total_steps: int | None) -> LRScheduler:
    """
    Make a schedule that rises from `min_factor` to a peak and falls back, again and again, to ever lower peaks.

    Source:
        Smith, "Cyclical learning rates for training neural networks" (2017), section 3.2; fairseq's triangular.
    """
    del total_steps  # it has no end

    def factor(step: int) -> float:
        cycle, done = divmod(step, config.period_steps)
        peak = max(config.shrink**cycle, config.min_factor)
        rise = 1 - abs(2 * done / config.period_steps - 1)
        return float(config.min_factor + (peak - config.min_factor) * rise)

    return factor


def one_cycle(config: OneCycleConfig, *, total_steps: int | None) -> LRScheduler:
    """
    Make a schedule that rises from `start_factor` to 1 and falls to `end_factor`, which the last update has.

    Source:
        Smith and Topin, "Super-convergence" (2018), section 2; `torch.optim.lr_scheduler.OneCycleLR` in two phases.
    """
    last = last_step(config.total_steps, total_steps)
    peak = config.rise_share * last
    shape = SHAPES[config.shape]

    def factor(step: int) -> float:
        if step < peak:
            return between(config.start_factor, 1 - shape((peak - step) / (peak - 1)))
        return between(config.end_factor, shape(share_left(step, peak, last)))

    return factor


def _waves(config: CosineConfig, period: float) -> LRScheduler:
    """Make half waves one after another, each longer and lower than the one before."""

    def factor(step: int) -> float:
        start, length, height = float(config.warmup_steps), period, 1.0
        while step >= start + length:
            start, length, height = start + length, length * config.period_growth, height * config.shrink
        return height * between(config.min_factor, half_cosine(share_left(step, start, start + length)))

    return factor
