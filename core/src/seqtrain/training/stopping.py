"""When a run ends: limits, patience, and requests to stop or save that reach any of its workers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from seqtrain.config.option import field_values
from seqtrain.config.schema import LIMITS, TrainerConfig
from seqtrain.engine.optimizer import Optimizer
from seqtrain.metrics.best import BestSoFar, Measure
from seqtrain.plugin import hookimpl
from seqtrain.protocols.hooks import Trainer
from seqtrain.training.progress import Progress
from seqtrain.workers.group import WorkerGroup


@dataclass(frozen=True)
class StopRequest:
    """
    Why a run is to end after the present step.

    Args:
        reason: what a person would want to know.
        interrupted: the run is not done, and would continue if it were started again.
        exit_code: what the process then ends with.
    """

    reason: str
    interrupted: bool = False
    exit_code: int = 0


@dataclass(frozen=True)
class Agreement:
    """
    What the workers of a run have agreed on.

    Args:
        sample_size: sum over the workers.
        stop_before: some worker was asked to stop before the present step.
        save: some worker was asked to save.
        written: every worker has written its part of the newest checkpoint.
    """

    sample_size: int
    stop_before: bool
    save: bool
    written: bool


class Requests:
    """
    What hooks, signals and a stop file ask of a run, on whichever worker: all workers act upon it at the same step.

    Args:
        group: the workers.
    """

    def __init__(self, group: WorkerGroup) -> None:
        self._group = group
        self.agreed_stop: StopRequest | None = None
        """Why the run ends, once all workers know; None while it does not."""
        self._stop: StopRequest | None = None
        self._stop_before = False
        self._save = False

    def stop(self, request: StopRequest) -> None:
        """Ask for an end of the run; the first reason stands, and any exit code. Signal handlers may call this."""
        first = self._stop or request
        self._stop = replace(first, exit_code=max(first.exit_code, request.exit_code))
        if self._group.world_size == 1:
            self.agreed_stop = self.agreed_stop or self._stop

    def save(self) -> None:
        """Ask for a checkpoint; signal handlers may call this."""
        self._save = True

    def start_step(self) -> None:
        """Tell requests that came before the step from those that come during it."""
        self._stop_before = self._stop is not None

    def agree(self, sample_size: int = 0, *, written: bool = True) -> Agreement:
        """
        Exchange what was asked, and this worker's numbers: one collective, none where it is alone.

        Args:
            sample_size: targets of this worker's micro-batches.
            written: this worker has written its part of the newest checkpoint.
        """
        save, self._save = self._save, False  # a signal that comes during the exchange is for the next time
        stop = self._stop
        of_workers = self._group.all_gather([sample_size, self._stop_before, stop is not None, save, written])
        sizes, stops_before, stops, saves, writes = zip(*of_workers, strict=True)
        if any(stops) and self.agreed_stop is None:
            requests = self._group.all_gather_object(None if stop is None else asdict(stop))
            self.agreed_stop = StopRequest(**next(filter(None, requests)))
        return Agreement(round(sum(sizes)), any(stops_before), any(saves), all(writes))

    def exit_code(self) -> int:
        """Return what the process is to end with on all workers: 0, or the code of a signal that one of them had."""
        code: int = max(self._group.all_gather_object(0 if self._stop is None else self._stop.exit_code))
        return code


def reached_limit(config: TrainerConfig, progress: Progress, optimizer: Optimizer) -> str | None:
    """Return the limit that was reached, as a person would want to read it; None if the run continues."""
    epochs_done = progress.epoch if progress.epoch_ended else progress.epoch - 1
    if config.max_steps is not None and progress.step >= config.max_steps:
        return f"trainer.max_steps={config.max_steps} reached"
    if config.max_epochs is not None and epochs_done >= config.max_epochs:
        return f"trainer.max_epochs={config.max_epochs} reached"
    if config.stop_min_lr is not None and optimizer.lr_has_fallen and optimizer.lr <= config.stop_min_lr:
        return f"the learning rate has fallen to trainer.stop_min_lr={config.stop_min_lr}"
    return None


def reached_time_limit(config: TrainerConfig, progress: Progress) -> str | None:
    """Return the limit of time that was reached, as this worker's clock has it; None if the run continues."""
    if config.stop_time_hours is not None and progress.train_seconds >= config.stop_time_hours * 3600:
        return f"trainer.stop_time_hours={config.stop_time_hours} reached"
    return None


def described_limits(config: TrainerConfig) -> str:
    """List what will end the run, as it is set: "trainer.max_epochs=10, trainer.patience=3"; empty if nothing will."""
    limits = {name: value for name, value in field_values(config).items() if name in LIMITS and value is not None}
    return ", ".join(f"trainer.{name}={value}" for name, value in limits.items())


class EarlyStopping:
    """
    Stops a run whose validation has not improved for a while.

    Args:
        measure: what is compared.
        patience: validations without an improvement before the run stops, >= 1.
    """

    def __init__(self, measure: Measure, patience: int) -> None:
        self._best = BestSoFar(measure)
        self._patience = patience

    @hookimpl
    def seqtrain_validation_end(self, trainer: Trainer, measures: Mapping[str, float]) -> None:
        """Compare with the best so far."""
        name = self._best.measure.name
        if name not in measures:
            return  # the trainer refuses this, once the weights are back in place
        if not self._best.update(measures[name]) and self._best.age >= self._patience:
            trainer.stop(f"{name} has not improved for {self._best.age} validations (trainer.patience)")

    def state_dict(self) -> dict[str, Any]:
        """Return the measure, its best value and how long ago that was."""
        return self._best.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a saved state; with another measure than it is of, counting begins anew."""
        if "metric" not in state:  # saved by an earlier version: negative where less is better, and of what it was then
            measure = self._best.measure
            best = state["best"] if measure.higher_is_better else -state["best"]
            state = {
                "metric": measure.name,
                "higher_is_better": measure.higher_is_better,
                "best": best if math.isfinite(best) else None,
                "age": state["age"],
            }
        self._best.load_state_dict(state)
