"""How many of its host's cores a worker may take."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def available_cores() -> list[int]:
    """Return the cores that this process may run on, by number."""
    if sys.platform == "linux":
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def share_of_cores(mine: Sequence[int], on_host: Sequence[Sequence[int]]) -> int:
    """
    Return how many cores are left for one worker, at least 1.

    Args:
        mine: the cores it may run on.
        on_host: those of each worker of its host, itself included; whether the cores are divided among them already,
            as SLURM may do, or all may run on all.
    """
    return max(1, int(sum(1 / sum(core in each for each in on_host) for core in mine) + 1e-9))
