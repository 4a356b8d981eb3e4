"""What to do about a step whose numbers have gone wrong."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from seqtrain.batch import Batch
from seqtrain.config.schema import TrainerConfig
from seqtrain.errors import BadStepError, LossSpikeError, NonFiniteError, TrainingError
from seqtrain.training.diagnostics import describe_gradient_mismatch, find_origin, gradient_origin

if TYPE_CHECKING:
    from seqtrain.trainer import Trainer

_DECAY = 0.98  # of the running mean: it remembers some 50 steps
_SETTLED = 50  # steps before a spike can be told from the noise of the beginning
_EQUAL = 1e-6  # relative difference of norms that adding up in another order may make

logger = logging.getLogger(__name__)


class StepCheck:
    """
    Judges every step before its update, and says how a run goes on that has refused one.

    A refused step has changed nothing. Under `trainer.on_bad_step=skip` the run goes on with the next one; under
    `rollback` it goes back to its newest checkpoint first, and leaves the step out when it comes there again. A step
    that is left out is counted, so that cadences, learning rates and the order of the data are those of other runs.

    Args:
        config: what counts as a spike, and what is done.
    """

    def __init__(self, config: TrainerConfig) -> None:
        self._config = config
        self._steps = 0
        self._mean = self._variance = 0.0

    def check(
        self, trainer: Trainer, samples: Sequence[Batch], losses: Sequence[Tensor], sample_size: int, grad_norm: Tensor
    ) -> bool:
        """
        Refuse a step that must not be made.

        Args:
            trainer: about to make the update.
            samples: this worker's micro-batches of the step.
            losses: their losses, each summed over its targets, ().
            sample_size: how many targets the step has over all workers.
            grad_norm: norm of the gradient before clipping, ().

        Returns:
            Whether to make it. Where a gradient in float16 has overflowed, the step only lowers the loss scale; that is
            in the nature of looking for a scale, and no bad step.

        Raises:
            NonFiniteError: a loss or the gradient is NaN or infinite.
            LossSpikeError: the mean loss lies more than `trainer.loss_spike` standard deviations above those before.
            TrainingError: the workers have different gradients, which only a fault can bring about.
        """
        norm, *values = torch.stack([grad_norm, *losses]).tolist()  # the one wait for the device in a step
        of_workers = trainer.engine.group.all_gather([norm, math.fsum(values)])
        norms, sums = zip(*of_workers, strict=True)
        if not all(map(math.isfinite, (*norms, *sums))):
            if all(map(math.isfinite, sums)) and _lower_loss_scale(trainer):
                return False
            raise NonFiniteError(_describe_nonfinite(trainer, samples, values, norm))
        if max(norms) - min(norms) > _EQUAL * max(norms):
            raise TrainingError(describe_gradient_mismatch(trainer.model, trainer.engine))
        if self._config.loss_spike is not None:
            self._check_spike(trainer, samples, math.fsum(sums) / max(sample_size, 1), self._config.loss_spike)
        return True

    def skip_step(self, trainer: Trainer, error: BadStepError) -> None:
        """
        Let the run go on without the step that was refused; raise the error where it is not to.

        Where there is no checkpoint to roll back to, it is not.
        """
        progress, step = trainer.progress, trainer.progress.step + 1
        skipped_steps = progress.skipped_steps
        if self._config.on_bad_step == "stop" or len(skipped_steps) >= self._config.max_bad_steps:
            raise error
        if self._config.on_bad_step == "rollback":
            trainer.checkpointer.finish(trainer)
            if not trainer.checkpointer.restore(trainer):
                raise error
        progress.skipped_steps = sorted({*skipped_steps, step})
        logger.warning("%s", error)
        logger.warning("Going on after step %d, without step %d (trainer.on_bad_step).", progress.step, step)

    def state_dict(self) -> dict[str, float]:
        """Return the running mean and variance of the loss."""
        return {"steps": self._steps, "mean": self._mean, "variance": self._variance}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Take over saved ones."""
        self._steps, self._mean, self._variance = int(state["steps"]), state["mean"], state["variance"]

    def _check_spike(self, trainer: Trainer, samples: Sequence[Batch], loss: float, largest: float) -> None:
        deviation = math.sqrt(self._variance)
        if self._steps >= _SETTLED and loss > self._mean + largest * deviation:
            examples = _describe_examples(trainer, _ids_of_step(trainer, samples))
            raise LossSpikeError(
                f"Step {trainer.progress.step + 1} (epoch {trainer.progress.epoch}) has a loss of {loss:.4g} a target, "
                f"more than {largest:g} standard deviations ({deviation:.4g}) above the mean of the steps before "
                f"({self._mean:.4g}). Nothing was updated. {examples} "
                "Try a lower optimizer.lr or a longer warm-up; trainer.loss_spike is what is taken for a spike."
            )
        # Exponentially weighted mean and variance: West 1979, "Updating mean and variance estimates".
        difference = loss - self._mean
        share = max(1 - _DECAY, 1 / (self._steps + 1))
        self._mean += share * difference
        self._variance = (1 - share) * (self._variance + share * difference**2)
        self._steps += 1


def _lower_loss_scale(trainer: Trainer) -> bool:
    """Say whether there is a loss scale that was too large and can be lower."""
    scale = trainer.optimizer.loss_scale
    if scale is None or not scale.lower():
        return False
    step = trainer.progress.step + 1
    logger.info("Step %d is left out: its gradient overflowed. The loss scale is now %g.", step, scale.value)
    return True


def _describe_nonfinite(trainer: Trainer, samples: Sequence[Batch], losses: Sequence[float], norm: float) -> str:
    """Run the step's forward passes again to see where it went wrong, and put it into words."""
    engine, criterion = trainer.engine, trainer.evaluator.criterion  # which calls for no other worker

    with engine.full_model(trainer.model) as model:

        def run_again(index: int, sample: Batch) -> None:
            engine.seed_micro_batch(trainer.progress.step, index)
            criterion(model, sample)

        origin = find_origin(model, engine.placed(samples), run_again)
    found = origin or gradient_origin(trainer.model, engine, _ids(samples))
    told = engine.group.all_gather_object([origin is not None, found.place, list(found.ids), list(losses)])
    worker = max(range(len(told)), key=lambda rank: told[rank][0])  # the first that has seen it happen
    _, place, ids, losses = told[worker]
    return (
        f"Step {trainer.progress.step + 1} (epoch {trainer.progress.epoch}) gave numbers that are not finite, "
        f"{f'on worker {worker}, ' if len(told) > 1 else ''}{place}: losses {losses}, gradient norm {norm}. "
        f"Nothing was updated. {_describe_examples(trainer, ids)} "
        "Try a lower optimizer.lr, a longer warm-up, a smaller trainer.clip_norm, or trainer.precision=fp32; "
        "trainer.on_bad_step=skip or rollback goes on without such a step."
    )


def _describe_examples(trainer: Trainer, ids: Sequence[int]) -> str:
    examples = ", ".join(trainer.train_data.dataset.describe(example) for example in ids[:3])
    return f"Sample ids of the batch: {list(ids)} ({examples}, ...)."


def _ids(samples: Sequence[Batch]) -> list[int]:
    return [example for sample in samples for example in sample.ids.tolist()]


def _ids_of_step(trainer: Trainer, samples: Sequence[Batch]) -> list[int]:
    """Return the examples of all workers, each once, as some may be a stand-in's."""
    return list(dict.fromkeys(each for ids in trainer.engine.group.all_gather_object(_ids(samples)) for each in ids))
