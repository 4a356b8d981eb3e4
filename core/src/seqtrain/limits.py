"""When a run has done what it was to do."""

from __future__ import annotations

from seqtrain.config.schema import TrainerConfig
from seqtrain.engine.optimizer import Optimizer
from seqtrain.progress import Progress


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
