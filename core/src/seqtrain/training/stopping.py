"""When a run has done what it was to do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seqtrain.config.schema import TrainerConfig
from seqtrain.engine.optimizer import Optimizer
from seqtrain.plugin import hookimpl
from seqtrain.training.progress import Progress

if TYPE_CHECKING:
    from seqtrain.trainer import Trainer


def reached_limit(config: TrainerConfig, progress: Progress, optimizer: Optimizer) -> str | None:
    """Return the limit that was reached, as a person would want to read it; None if the run is to go on."""
    epochs_done = progress.epoch if progress.epoch_ended else progress.epoch - 1
    if config.max_steps is not None and progress.step >= config.max_steps:
        return f"trainer.max_steps={config.max_steps} reached"
    if config.max_epochs is not None and epochs_done >= config.max_epochs:
        return f"trainer.max_epochs={config.max_epochs} reached"
    if config.stop_time_hours is not None and progress.train_seconds >= config.stop_time_hours * 3600:
        return f"trainer.stop_time_hours={config.stop_time_hours} reached"
    if config.stop_min_lr is not None and optimizer.lr_has_fallen and optimizer.lr <= config.stop_min_lr:
        return f"the learning rate has fallen to trainer.stop_min_lr={config.stop_min_lr}"
    return None


def has_limit(config: TrainerConfig) -> bool:
    """Say whether anything will end the run."""
    limits = (config.max_epochs, config.max_steps, config.patience, config.stop_min_lr, config.stop_time_hours)
    return any(limit is not None for limit in limits)


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
