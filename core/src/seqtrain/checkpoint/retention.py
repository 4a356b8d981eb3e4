"""Which checkpoints are best, and which stay."""

from __future__ import annotations

import math
from collections.abc import Sequence

from seqtrain.checkpoint.checkpoint import Checkpoint
from seqtrain.training.cadence import Every


def ranking(checkpoints: Sequence[Checkpoint], metric: str, *, higher_is_better: bool) -> list[Checkpoint]:
    """
    Sort the checkpoints that have the measure, best first; of equal ones the earlier is the better.

    One saved without a validation, or whose measure is NaN, is not ranked.
    """
    measured = [each for each in checkpoints if not math.isnan(each.measures.get(metric, math.nan))]
    sign = -1 if higher_is_better else 1
    return sorted(measured, key=lambda each: (sign * each.measures[metric], each.step))


def keepers(checkpoints: Sequence[Checkpoint], *, keep_last: int, keep_every: Every) -> set[str]:
    """
    Name the checkpoints that stay whatever their measures are.

    Args:
        checkpoints: all there are, by step.
        keep_last: this many of the newest.
        keep_every: those at a multiple of so many steps; or the last of each epoch at a multiple of so many epochs.
    """
    kept = {each.name for each in checkpoints[max(0, len(checkpoints) - keep_last) :]}
    if keep_every.steps is not None:
        kept |= {each.name for each in checkpoints if each.step % keep_every.steps == 0}
    if keep_every.epochs is not None:
        last_of_epoch = {each.epoch: each.name for each in checkpoints}
        kept |= {name for epoch, name in last_of_epoch.items() if epoch % keep_every.epochs == 0}
    return kept
