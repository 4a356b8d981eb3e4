"""The epoch loop."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pluggy import HookRelay
from torch import nn
from torch.profiler import record_function

from seqtrain.batch import MicroBatchOutput, Step
from seqtrain.checkpoint.checkpointer import Checkpointer
from seqtrain.config.schema import TrainerConfig
from seqtrain.data.epoch_iterator import EpochIterator
from seqtrain.engine.engine import Engine
from seqtrain.engine.optimizer import Optimizer
from seqtrain.errors import BadStepError, ConfigError, TrainingError, warn_renamed
from seqtrain.evaluation import Evaluator, deciding
from seqtrain.metrics.logger import MetricLogger
from seqtrain.protocols import Criterion, Stateful
from seqtrain.task import Task
from seqtrain.training.diagnostics import diagnose, explain_out_of_memory
from seqtrain.training.progress import Progress
from seqtrain.training.step_check import BadStep, StepCheck, StepNumbers
from seqtrain.training.stopping import Agreement, Requests, StopRequest, reached_limit, reached_time_limit

logger = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
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
                save if due, or the validation is the best so far ............. checkpoint_saved
            epoch_end
        run_end, or run_exception

    An epoch's last step does the epoch's duties, so there is one place where things become due, and a checkpoint at
    an epoch's end resumes like any other.

    A step has two collectives besides the gradient's: `Requests.agree` before the division, and the gradient norm with
    the loss. Nothing in it waits for the device; what is logged, measured or saved does.

    Args:
        config: limits, cadences, clipping.
        task, model, criterion, optimizer: what is trained, and how.
        engine: device, precision and workers.
        train_data: the batches, step by step.
        evaluator: measures the model on the validation splits.
        checkpointer: saves checkpoints and finds them again.
        metric_logger: takes the metrics.
        hooks: what watches the run.
        stateful: what else has state, by its name in a checkpoint.
        total_steps: updates from first to last, as far as the limits tell.
    """

    config: TrainerConfig
    task: Task
    model: nn.Module
    criterion: Criterion
    optimizer: Optimizer
    engine: Engine
    train_data: EpochIterator
    evaluator: Evaluator
    checkpointer: Checkpointer
    metric_logger: MetricLogger
    hooks: HookRelay
    stateful: Mapping[str, Stateful]
    total_steps: int | None
    progress: Progress = field(default_factory=Progress)
    measures: Mapping[str, float] = field(default_factory=dict)
    """Measures of the validation at the present step; empty if there was none."""
    validations: dict[int, Mapping[str, float]] = field(default_factory=dict)
    """Measures of all validations since the start, by step."""

    def __post_init__(self) -> None:
        self.requests = Requests(self.engine.group)
        self.step_check = StepCheck(self.config, self.engine, self.optimizer.loss_scale)

    def run(self) -> None:
        """Train to the end; every way out but an exception leaves a checkpoint of the last step."""
        try:
            self.hooks.seqtrain_run_start(trainer=self)
            self._stop_at_limits()
            self._agree()
            while self.stop_reason is None:
                try:
                    self.run_epoch()
                except BadStepError as error:
                    self.recover(error)
            self.save(is_last=True)
            self._report_saved(self.checkpointer.wait(is_last=True))
            self.metric_logger.finish()
            self.hooks.seqtrain_run_end(trainer=self)
        except BaseException as error:
            self.hooks.seqtrain_run_exception(trainer=self, error=error)
            raise
        finally:
            self.checkpointer.close()

    def run_epoch(self) -> None:
        """Train to the end of the epoch, from wherever in it the run stands."""
        progress = self.progress
        plan = self.train_data.plan(progress.epoch)
        self.hooks.seqtrain_epoch_start(trainer=self)
        self.metric_logger.log_plan(progress, plan)
        progress.plan = plan.digest
        for step in self.train_data.steps(progress.epoch, progress.cursor):
            if progress.step + 1 not in progress.skipped_steps and not self.train_step(step):
                self._end_before_step()
                break
            progress.advance(step.size, plan.num_micro_batches)
            self.after_step()
            if self.stop_reason is not None:
                break
        if progress.epoch_ended:
            self.hooks.seqtrain_epoch_end(trainer=self)
            self._agree()
            progress.start_next_epoch()

    def train_step(self, step: Step) -> bool:
        """
        Make one update from the summed gradient of some micro-batches.

        Args:
            step: this worker's micro-batches.

        Returns:
            Whether the step counts. It does not where another worker was asked to stop before it: nothing was updated.

        Raises:
            BadStepError: the loss or the gradient is not finite, or the loss spikes.
            OutOfMemoryError: the batches are too large.
        """
        self.requests.start_step()
        self.optimizer.zero_grad()
        outputs = []
        with explain_out_of_memory(step.samples):
            for index, sample, ignore_grad in self.engine.accumulate(step):
                self.engine.seed_micro_batch(self.progress.step, index)
                loss, size, logging_output = self.task.train_step(
                    sample, self.model, self.criterion, self.optimizer, self.progress.step, ignore_grad=ignore_grad
                )
                if not ignore_grad:
                    outputs.append(MicroBatchOutput(sample, loss.detach(), size, logging_output))
        with record_function("reduce-grads"):
            self.engine.fill_gradients(self.optimizer.parameters)
            agreement = self._agree(sum(each.sample_size for each in outputs))
        if agreement.stop_before:
            return False
        with record_function("multiply-grads"):  # the one division: sums so far, a mean from here on
            self.optimizer.multiply_grads(self.engine.gradient_scale / max(agreement.sample_size, 1))
        with record_function("clip-grads"):
            losses = [each.loss for each in outputs]
            by_worker = self.engine.gather_norm_and_loss(self.optimizer.grad_norm(), losses)
            grad_norm = self.engine.total_norm(by_worker)
            self.optimizer.clip_grads(grad_norm, self.config.clip_norm)
        bad_step = self.step_check.check(
            StepNumbers(
                step=self.progress.step + 1,
                epoch=self.progress.epoch,
                samples=step.samples,
                losses=losses,
                by_worker=by_worker,
                sample_size=agreement.sample_size,
            )
        )
        if bad_step is None:
            with record_function("optimizer"):
                self.optimizer.step(self.progress.step + 1)
            self.metric_logger.add_step(outputs, self.optimizer.measures, grad_norm)
        elif not (bad_step.has_overflowed and self.optimizer.lower_loss_scale()):
            raise self._diagnose(bad_step)
        return True

    def after_step(self) -> None:
        """Log, validate and save, where due after the step just counted."""
        self.measures = {}
        self.hooks.seqtrain_step_end(trainer=self)
        if self.metric_logger.due(self.progress):
            self.log()
        self._stop_at_limits()
        self._report_saved(self.checkpointer.poll())
        if self.config.validate.due(self.progress) or self.reached_limit:
            self.validate()
        if self.checkpointer.due(self.progress):
            self.save()

    def log(self) -> None:
        """Write the training measures of the interval and of the epoch, where due."""
        self._settle()
        self.metric_logger.log_training(self.progress)

    def validate(self) -> None:
        """Measure the validation splits, if there are any; the first one's measures decide what is best."""
        if not self.evaluator.validation_splits:
            return
        self._settle()
        self.hooks.seqtrain_validation_start(trainer=self)
        with self.metric_logger.validating():
            measures = self.evaluator.validate(self.model)
        self.measures = self.validations[self.progress.step] = deciding(measures)
        self.hooks.seqtrain_validation_end(trainer=self, measures=self.measures)
        self.metric_logger.log_validation(self.progress, measures)
        if self.config.best_metric not in self.measures:
            self.save()  # the setting may be changed on resume, and no step need be lost
            raise ConfigError(
                f"trainer.best_metric={self.config.best_metric} is not among the measures of validation: "
                f"{', '.join(self.measures)}. Choose one of these; the run resumes from here."
            )
        self.checkpointer.request_if_best(self.measures)
        self._agree()  # early stopping, or another hook, may have asked to stop

    def save(self, *, is_last: bool = False) -> None:
        """
        Save a checkpoint of the present step, unless it is saved already, once the one before is written.

        Args:
            is_last: none comes after it, so it may not fail.
        """
        self._settle()
        self._report_saved(self.checkpointer.wait())
        self._report_saved(self.checkpointer.save(self.progress, self.state, self.measures, is_last=is_last))

    def recover(self, error: BadStepError) -> None:
        """
        Continue without a bad step, as `trainer.on_bad_step` says; raise the error where that is to end the run.

        `skip` continues with the next step; `rollback` resumes from the newest checkpoint. The step is counted, so that
        cadences, learning rates and the order of the data are those of other runs.
        """
        skipped_steps = self.progress.skipped_steps
        if self.config.on_bad_step == "stop" or len(skipped_steps) >= self.config.max_bad_steps:
            raise error
        if self.config.on_bad_step == "rollback":
            self._report_saved(self.checkpointer.wait())
            if not self.restore():
                raise error
        self.progress.skipped_steps = sorted({*skipped_steps, error.step})
        logger.warning("%s", error)
        logger.warning("Going on after step %d, without step %d (trainer.on_bad_step).", self.progress.step, error.step)

    def restore(self) -> bool:
        """
        Resume from the newest good checkpoint; return whether there was one.

        Raises:
            CheckpointError: it is not one of this run's model and configuration, or none is good.
        """
        checkpoint = self.checkpointer.newest_good()
        self.metric_logger.truncate_after(0 if checkpoint is None else checkpoint.step)
        if checkpoint is None:
            return False
        with self.checkpointer.restoring(checkpoint):
            self.load_state(self.checkpointer.load(checkpoint, self.model, self.state, self.optimizer.parameters))
        logger.warning("Resuming from %s: epoch %d, step %d", checkpoint.path, self.progress.epoch, self.progress.step)
        self.step_check.forget()
        return True

    def stop(self, reason: str, *, interrupted: bool = False, exit_code: int = 0) -> None:
        """
        Ask the run to end after the present step; the first reason stands.

        Args:
            reason: for the log; what a person would want to know.
            interrupted: the run is not done, and would continue if it were started again.
            exit_code: what the process then ends with.
        """
        self.requests.stop(StopRequest(reason, interrupted=interrupted, exit_code=exit_code))

    def request_checkpoint(self) -> None:
        """Ask for a checkpoint of the present or the next step, whatever the cadence; signal handlers may."""
        self.requests.save()

    def save_soon(self) -> None:
        """Call `request_checkpoint` instead; this was its name."""
        warn_renamed("Trainer.save_soon", "request_checkpoint")
        self.request_checkpoint()

    @property
    def higher_is_better(self) -> frozenset[str]:
        """The validation measures of which more is better."""
        return self.task.higher_is_better

    @property
    def stop_reason(self) -> str | None:
        """Why the run ends; None while it does not."""
        return None if self.requests.agreed_stop is None else self.requests.agreed_stop.reason

    @property
    def reached_limit(self) -> bool:
        """Whether the run ends because it is done, not because it was interrupted."""
        return self.requests.agreed_stop is not None and not self.requests.agreed_stop.interrupted

    @property
    def state(self) -> dict[str, Stateful]:
        """Everything a resumed run needs, by name."""
        return {
            "model": self.model,
            "optimizer": self.optimizer,
            "progress": self.progress,
            "metrics": self.metric_logger,
            "guard": self.step_check,  # what checkpoints call it
            **self.stateful,
            "data": self.train_data,  # last: with another vocabulary it is not the same either, which explains less
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over a checkpoint's state; a part it does not name stays as it was built."""
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
        """Stop where a limit is reached: all workers see the same, but for the time, of which the main one decides."""
        if (reason := reached_limit(self.config, self.progress, self.optimizer)) is not None:
            self.requests.agreed_stop = self.requests.agreed_stop or StopRequest(reason)
        if self.engine.group.is_main and (reason := reached_time_limit(self.config, self.progress)) is not None:
            self.stop(reason)
        is_due = self.config.validate.due(self.progress) or self.checkpointer.due(self.progress)
        if self.engine.group.world_size == 1 or self.progress.epoch_ended or is_due:
            self._agree()  # what a hook has asked for after this step is not to come after its checkpoint

    def _agree(self, sample_size: int = 0) -> Agreement:
        """Act with all workers upon what any of them was asked for."""
        agreement = self.requests.agree(sample_size, written=self.checkpointer.is_written)
        if agreement.save:
            self.checkpointer.request()
        self.checkpointer.is_written_by_all = agreement.written
        return agreement

    def _end_before_step(self) -> None:
        """End with the step before, whose hooks have asked for it on another worker, as a run of one worker would."""
        if self.reached_limit and not self.measures:
            self.validate()

    def _report_saved(self, path: Path | None) -> None:
        """Let the hooks know of a checkpoint that all workers have written, if there is a new one."""
        if path is not None and self.engine.group.is_main:
            self.hooks.seqtrain_checkpoint_saved(trainer=self, path=path)

    def _settle(self) -> None:
        """Raise now if the last step was bad: what is logged, measured or saved is not to hold it."""
        if (bad_step := self.step_check.settle()) is not None:
            raise self._diagnose(bad_step)

    def _diagnose(self, bad_step: BadStep) -> TrainingError:
        return diagnose(bad_step, self.model, self.evaluator.criterion, self.engine, self.train_data.dataset)
