"""Stop when validation has not improved for a while."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seqtrain.plugin import hookimpl

if TYPE_CHECKING:
    from seqtrain.trainer import Trainer


class EarlyStopping:
    """
    Watches one validation measure.

    Args:
        metric: the measure's name, such as "loss" or "bleu".
        patience: validations without an improvement before the run stops, >= 1.
        higher_is_better: which way is better.
    """

    def __init__(self, metric: str, patience: int, *, higher_is_better: bool) -> None:
        self._metric = metric
        self._patience = patience
        self._sign = 1.0 if higher_is_better else -1.0
        self._best = -math.inf
        self._age = 0

    @hookimpl
    def seqtrain_validation_end(self, trainer: Trainer, measures: Mapping[str, float]) -> None:
        """Compare with the best so far."""
        if self._metric not in measures:
            return  # the trainer refuses this, once the weights are back in place
        value = self._sign * measures[self._metric]
        if value > self._best:
            self._best, self._age = value, 0
            return
        self._age += 1
        if self._age >= self._patience:
            trainer.stop(f"{self._metric} has not improved for {self._age} validations (trainer.patience)")

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and how long ago it was."""
        return {"best": self._best, "age": self._age}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a saved state."""
        self._best, self._age = state["best"], state["age"]
