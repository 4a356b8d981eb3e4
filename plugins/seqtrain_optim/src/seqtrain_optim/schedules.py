"""The schedulers without state that rise once, at most, and then never again."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING

from seqtrain_optim.curves import SHAPES, after_warmup, between, count_warmup, last_step, share_left

if TYPE_CHECKING:
    from seqtrain.api import LRScheduler
    from seqtrain_optim.schedule_config import (
        FixedConfig,
        InverseSqrtConfig,
        ManualConfig,
        PassThroughConfig,
        PolynomialDecayConfig,
        StepConfig,
        TriStageConfig,
        WSDConfig,
    )


def fixed(config: FixedConfig, *, total_steps: int | None) -> LRScheduler:
    """Make a schedule that stays at 1 after warm-up."""
    config = count_warmup(config, total_steps)
    return after_warmup(config, lambda _step: 1.0)


def pass_through(config: PassThroughConfig, *, total_steps: int | None) -> LRScheduler:
    """Make a schedule that leaves the learning rate to the optimizer."""
    del config, total_steps
    return lambda _step: 1.0


def manual(config: ManualConfig, *, total_steps: int | None) -> LRScheduler:
    """Make a schedule of given factors, each of which holds until the next."""
    del total_steps  # it has no end
    given = {0: 1.0, **{int(step): factor for step, factor in config.factors.items()}}
    steps = sorted(given)
    return lambda step: given[steps[bisect_right(steps, step) - 1]]


def inverse_sqrt(config: InverseSqrtConfig, *, total_steps: int | None) -> LRScheduler:
    """
    Make a schedule that falls as sqrt(warmup_steps / step) after warm-up, or 1 / sqrt(step) without one.

    Source:
        Vaswani et al., "Attention is all you need" (2017), section 5.3; scaled as in fairseq, so that its peak is 1.
    """
    config = count_warmup(config, total_steps)
    return after_warmup(config, lambda step: math.sqrt(max(config.warmup_steps, 1) / step))


def polynomial_decay(config: PolynomialDecayConfig, *, total_steps: int | None) -> LRScheduler:
    """
    Make a schedule that falls to `end_factor` as (share of updates left) ** power.

    Source:
        fairseq's polynomial_decay.
    """
    config = count_warmup(config, config.total_steps or total_steps)
    last = last_step(config.total_steps, total_steps, warmup_steps=config.warmup_steps)
    return after_warmup(
        config,
        lambda step: between(config.end_factor, share_left(step, config.warmup_steps, last) ** config.power),
    )


def step(config: StepConfig, *, total_steps: int | None) -> LRScheduler:
    """
    Make a schedule that is cut to `shrink` times its height every `period_steps` updates after warm-up.

    Source:
        fairseq's step.
    """
    config = count_warmup(config, total_steps)

    def factor(update: int) -> float:
        cuts = (update - config.warmup_steps) // config.period_steps
        return max(float(config.shrink**cuts), config.min_factor)

    return after_warmup(config, factor)


def tri_stage(config: TriStageConfig, *, total_steps: int | None) -> LRScheduler:
    """
    Make a schedule that rises in a line, holds, and falls exponentially to `end_factor`.

    Source:
        Park et al., "SpecAugment" (2019), section 4.2; fairseq's tri_stage.
    """
    lengths: list[int | None] = [config.warmup_steps, config.hold_steps, config.decay_steps]
    if None in lengths:
        last = last_step(config.total_steps, total_steps)
        shares = zip(lengths, config.phase_shares, strict=True)
        lengths = [round(share * last) if length is None else length for length, share in shares]
    warmup, hold, decay = (length or 0 for length in lengths)

    def factor(step: int) -> float:
        if step < warmup:
            return between(config.warmup_init_factor, step / warmup)
        # The logarithm falls in a straight line from 0 to that of the end.
        return math.exp(math.log(config.end_factor) * (1 - share_left(step, warmup + hold, warmup + hold + decay)))

    return factor


def wsd(config: WSDConfig, *, total_steps: int | None) -> LRScheduler:
    """
    Make a schedule that stays at 1 and falls to `end_factor` in the last updates: warm-up, stable, decay.

    Source:
        Hu et al., "MiniCPM" (2024), section 4; the shape `one_minus_sqrt` from Hägele et al., "Scaling laws and
        compute-optimal training beyond fixed training durations" (2024).
    """
    config = count_warmup(config, config.total_steps or total_steps)
    last = last_step(config.total_steps, total_steps, warmup_steps=config.warmup_steps)
    decay_steps = config.decay_steps or math.ceil(config.decay_share * last)
    stable_until = max(last - decay_steps, config.warmup_steps)
    shape = SHAPES[config.shape]
    return after_warmup(config, lambda step: between(config.end_factor, shape(share_left(step, stable_until, last))))
