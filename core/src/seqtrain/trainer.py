"""The epoch loop."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.profiler import record_function

from seqtrain.batch import Step
from seqtrain.checkpoint.checkpointer import Checkpointer
from seqtrain.config.schema import TrainerConfig
from seqtrain.data.epoch_iterator import EpochIterator
from seqtrain.engine.engine import Engine
from seqtrain.engine.optimizer import Optimizer
from seqtrain.errors import BadStepError, ConfigError
from seqtrain.evaluation import Evaluator, deciding
from seqtrain.metrics.logger import MetricLogger
from seqtrain.protocols import Criterion, LRScheduler, Stateful
from seqtrain.registry.hooks import RunHooks
from seqtrain.task import Task
from seqtrain.training.diagnostics import explain_out_of_memory
from seqtrain.training.progress import Progress
from seqtrain.training.step_check import StepCheck
from seqtrain.training.stopping import reached_limit

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a run is put together from; `build.py` makes them."""

    task: Task
    model: nn.Module
    criterion: Criterion
    optimizer: Optimizer
    lr_scheduler: LRScheduler
    engine: Engine
    train_data: EpochIterator
    evaluator: Evaluator
    total_steps: int | None
    """Updates from first to last, as far as the limits tell."""


class Trainer:
    """
    Trains until a limit is reached or somebody calls `stop`.

    The loop::

        run_start
        while not stopping:                                                     one epoch
            epoch_start
            for samples in the epoch, grouped into steps:
                train_step: forward, backward, reduce, multiply, clip, update
                progress.advance
                step_end
                log if due
                validate if due ............................................... validation_start, validation_end
                save if due ................................................... checkpoint_saved
            epoch_end
        run_end, or run_exception

    An epoch's last step does the epoch's duties, so there is one place where things become due, and a checkpoint at
    an epoch's end resumes like any other.

    Args:
        config: limits, cadences, clipping.
        parts: what was built.
        checkpointer: when and where checkpoints are saved.
        metric_logger: takes the metrics.
        hooks: what watches the run.
        stateful: which of those have state, by the name it has in a checkpoint.
    """

    def __init__(
        self,
        config: TrainerConfig,
        parts: Parts,
        checkpointer: Checkpointer,
        metric_logger: MetricLogger,
        hooks: RunHooks,
        stateful: Mapping[str, Stateful],
    ) -> None:
        self.config = config
        self.task, self.model, self.criterion = parts.task, parts.model, parts.criterion
        self.optimizer, self.engine = parts.optimizer, parts.engine
        self.train_data, self.evaluator, self.total_steps = parts.train_data, parts.evaluator, parts.total_steps
        self.checkpointer, self.metric_logger, self.hooks = checkpointer, metric_logger, hooks
        self.progress = Progress()
        self._step_check = StepCheck(config)
        self._stop: tuple[str, bool] | None = None
        self._save = False
        self.stop_reason: str | None = None
        self.reached_limit = False
        """The run ends because it is done, not because it was interrupted."""
        self.measures: Mapping[str, float] = {}
        """Measures of the validation at the present step; empty if there was none."""
        self._stateful = stateful

    def run(self) -> None:
        """Train to the end; every way out but an exception leaves a checkpoint of the last step."""
        try:
            self.hooks.call("seqtrain_run_start", trainer=self)
            self._stop_at_limits()
            while self.stop_reason is None:
                try:
                    self.run_epoch()
                except BadStepError as error:
                    self._step_check.skip_step(self, error)
            self.checkpointer.save(self)
            self.checkpointer.finish(self, last=True)
            self.hooks.call("seqtrain_run_end", trainer=self)
        except BaseException as error:
            self.hooks.call("seqtrain_run_exception", trainer=self, error=error)
            raise
        finally:
            self.checkpointer.close()

    def run_epoch(self) -> None:
        """Train to the end of the epoch, from wherever in it the run stands."""
        progress, plan = self.progress, self.train_data.plan(self.progress.epoch)
        self.hooks.call("seqtrain_epoch_start", trainer=self)
        self.metric_logger.log_plan(progress, plan)
        progress.plan = plan.digest
        for step in self.train_data.steps(progress.epoch, progress.cursor):
            if progress.step + 1 not in progress.skipped_steps:
                self.train_step(step)
            progress.advance(step.size, plan.num_micro_batches)
            self.after_step()
            if self.stop_reason is not None:
                break
        if progress.epoch_ended:
            self.hooks.call("seqtrain_epoch_end", trainer=self)
            self._agree()
            progress.start_next_epoch()

    def train_step(self, step: Step) -> None:
        """
        Make one update from the summed gradient of some micro-batches.

        Args:
            step: this worker's micro-batches.

        Raises:
            BadStepError: the loss or the gradient is not finite, or the loss spikes; nothing was updated.
            OutOfMemoryError: the batches are too large.
        """
        self.optimizer.zero_grad()
        losses, outputs, sample_size = [], [], 0
        with explain_out_of_memory(step.samples):
            for index, sample, ignore_grad in self.engine.accumulate(step):
                self.engine.seed_micro_batch(self.progress.step, index)
                loss, size, logging_output = self.task.train_step(
                    sample, self.model, self.criterion, self.optimizer, self.progress.step, ignore_grad=ignore_grad
                )
                if not ignore_grad:
                    losses.append(loss.detach())
                    outputs.append((sample, size, logging_output))
                    sample_size += size
        with record_function("reduce-grads"):
            self.engine.fill_gradients(self.optimizer.parameters)
            sample_size = round(self.engine.group.sum(sample_size))
        with record_function("multiply-grads"):  # the one division: sums so far, a mean from here on
            self.optimizer.multiply_grads(self.engine.gradient_scale / max(sample_size, 1))
        with record_function("clip-grads"):
            grad_norm = self.optimizer.clip_grad_norm(self.config.clip_norm)
        if self._step_check.check(self, step.samples, losses, sample_size, grad_norm):
            with record_function("optimizer"):
                self.optimizer.step(self.progress.step + 1)
            self.metric_logger.add_step(outputs, self.optimizer.measures, grad_norm)

    def after_step(self) -> None:
        """Log, validate and save, where due after the step just counted; then see whether to go on."""
        progress = self.progress
        self.measures = {}
        self.hooks.call("seqtrain_step_end", trainer=self)
        self.metric_logger.log_training(progress)
        self.checkpointer.announce(self)
        self._stop_at_limits()
        if self.config.validate.due(progress) or self.reached_limit:
            self.validate()
        if self.checkpointer.due(progress):
            self.checkpointer.save(self)
        self._agree()

    def validate(self) -> None:
        """Measure the validation splits, if there are any; the first one's measures decide what is best."""
        if not self.evaluator.validation_splits:
            return
        self.hooks.call("seqtrain_validation_start", trainer=self)
        with self.metric_logger.validating():
            measures = self.evaluator.validate(self.model)
        self.measures = deciding(measures)
        self.hooks.call("seqtrain_validation_end", trainer=self, measures=self.measures)
        self.metric_logger.log_validation(self.progress, measures)
        if self.config.best_metric not in self.measures:
            self.checkpointer.save(self)  # the setting may be changed on resume, and no step need be lost
            raise ConfigError(
                f"trainer.best_metric={self.config.best_metric} is not among the measures of validation: "
                f"{', '.join(self.measures)}. Choose one of these; the run goes on from here."
            )

    def stop(self, reason: str, *, interrupted: bool = False) -> None:
        """
        Ask the run to end after the present step; the first reason stands.

        Args:
            reason: for the log; what a person would want to know.
            interrupted: the run is not done, and would go on if it were started again.
        """
        if self._stop is None:
            self._stop = (reason, interrupted)

    def request_checkpoint(self) -> None:
        """Ask for a checkpoint of the present or the next step, whatever the cadence; signal handlers may."""
        self._save = True

    @property
    def state(self) -> dict[str, Stateful]:
        """Everything a resumed run needs, by name."""
        return {
            "model": self.model,
            "optimizer": self.optimizer,
            "progress": self.progress,
            "metrics": self.metric_logger,
            "guard": self._step_check,
            **self._stateful,
            "data": self.train_data,  # last: with another vocabulary it is not the same either, which explains less
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint's state; a part it does not name stays as it was built."""
        for name, part in self.state.items():
            if name in state:
                part.load_state_dict(state[name])
        if self.progress.epoch_ended:
            self.progress.start_next_epoch()
        elif self.progress.plan not in ("", self.train_data.plan(self.progress.epoch).digest):
            # Reached by --accept-changes, or by a numpy that draws other numbers; no example is to be left out by it.
            logger.warning(
                "The batches of epoch %d, or their order, are not what they were: the epoch begins anew, and examples "
                "that were seen in it already are seen once more.",
                self.progress.epoch,
            )
            self.progress.restart_epoch()

    def _stop_at_limits(self) -> None:
        reason = reached_limit(self.config, self.progress, self.optimizer)
        if reason is not None:
            self.stop(reason)
        self._agree()

    def _agree(self) -> None:
        """Have all workers stop, or save, after the same step, if any of them was asked to."""
        group = self.engine.group
        save, self._save = self._save, False  # a signal that comes while the others are asked is for the next time
        asked = group.all_gather([self._stop is not None, save, self.progress.train_seconds])
        self.progress.train_seconds = asked[0][2]
        if any(save for _, save, _ in asked):
            self.checkpointer.request()
        if self.stop_reason is None and any(stop for stop, _, _ in asked):
            reason, interrupted = next(filter(None, group.all_gather_object(self._stop)))
            self.stop_reason, self.reached_limit = reason, not interrupted
