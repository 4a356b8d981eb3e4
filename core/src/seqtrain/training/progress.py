"""Where a run stands: the one owner of its counters."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

from seqtrain.errors import warn_renamed

_FORMER_NAMES = {"left_out": "skipped_steps"}


@dataclass
class Progress:
    """
    Counters of a run; saved in every checkpoint.

    Args:
        step: optimizer steps taken.
        epoch: the current epoch, from 1.
        cursor: micro-batches of this epoch that were used, over all workers.
        epoch_ended: the step just counted was the epoch's last.
        plan: hash of the order that `cursor` counts in; empty before an epoch's first step.
        train_seconds: wall time spent, restarts included.
        skipped_steps: steps that are counted but not made, as their numbers went wrong; see `trainer.on_bad_step`.
    """

    step: int = 0
    epoch: int = 1
    cursor: int = 0
    epoch_ended: bool = False
    plan: str = ""
    train_seconds: float = 0.0
    skipped_steps: list[int] = field(default_factory=list)
    _counted_until: float = field(default_factory=time.monotonic, repr=False, compare=False)

    def advance(self, micro_batches: int, in_epoch: int) -> None:
        """Count a step of `micro_batches`, in an epoch that has `in_epoch` of them, and the time since the last."""
        now = time.monotonic()
        self.train_seconds += now - self._counted_until
        self._counted_until = now
        self.step += 1
        self.cursor += micro_batches
        self.epoch_ended = self.cursor == in_epoch

    @property
    def last_epoch(self) -> int:
        """The epoch of the step just counted: the one before, where the next has begun but no step of it is made."""
        return self.epoch if self.cursor > 0 or self.step == 0 else max(self.epoch - 1, 1)

    def start_next_epoch(self) -> None:
        """Stand at the beginning of the next epoch."""
        self.epoch += 1
        self.restart_epoch()

    def restart_epoch(self) -> None:
        """Stand at the beginning of the present epoch."""
        self.cursor = 0
        self.epoch_ended = False
        self.plan = ""

    @property
    def left_out(self) -> list[int]:
        """Read `skipped_steps` instead; this was its name."""
        warn_renamed("Progress.left_out", "skipped_steps")
        return self.skipped_steps

    def start_epoch_anew(self) -> None:
        """Call `restart_epoch` instead; this was its name."""
        warn_renamed("Progress.start_epoch_anew", "restart_epoch")
        self.restart_epoch()

    def state_dict(self) -> dict[str, Any]:
        """Return the counters as plain numbers."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """
        Take over saved counters.

        Raises:
            ValueError: one is no counter of a run.
        """
        counters = self.state_dict()
        for name, value in state.items():
            name = _FORMER_NAMES.get(name, name)  # noqa: PLW2901 - as a checkpoint of an earlier version has it
            if name not in counters or type(value) is not type(counters[name]) or not _can_be_counted(value):
                raise ValueError(f"its progress says {name}={str(value)[:40]}")
            setattr(self, name, value)
        self._counted_until = time.monotonic()


def _can_be_counted(value: Any) -> bool:
    """Say whether numbers are such as counting gives."""
    if isinstance(value, list):
        return all(type(each) is int and each > 0 for each in value)
    return isinstance(value, str) or 0 <= value < math.inf
