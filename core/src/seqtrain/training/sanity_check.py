"""Do the parts of a run go together? Tried before the first step, on the smallest batch there is."""

from __future__ import annotations

import inspect
import logging
import math
from itertools import pairwise

import numpy as np
from torch import nn

from seqtrain.batch import Batch
from seqtrain.config.schema import RunConfig
from seqtrain.errors import ConfigError
from seqtrain.evaluation import Evaluator
from seqtrain.protocols import Dataset, LRScheduler, ModelParameters, Stateful, WantsConstantRate

logger = logging.getLogger(__name__)

LOOKED_AT = 4096  # examples, to find small ones among
LOOKED_AHEAD = 1 << 20  # updates, where no limit tells how many there will be


def check_model(config: RunConfig, model: nn.Module, evaluator: Evaluator, dataset: Dataset) -> None:
    """
    Try the model with the task's batches and the criterion; nothing is changed by it.

    Args:
        config: names the three.
        model: on the device, with its initial weights.
        evaluator: has the task and the criterion.
        dataset: what will be trained on.

    Raises:
        ConfigError: they do not go together.
    """
    if not len(dataset):
        return  # which is refused elsewhere
    batch = _small_batch(dataset)
    was_training = model.training
    try:
        evaluator.task.check_model(model)
        _check_inputs(model, batch)
        evaluator.task.valid_step(batch.to(evaluator.engine.device), model, evaluator.criterion)
    except ConfigError as error:
        raise ConfigError(
            f"task.name={config.task.name}, model.name={config.model.name} and criterion.name={config.criterion.name} "
            f"do not go together as they are set. {error}"
        ) from error
    model.train(was_training)


def _small_batch(dataset: Dataset) -> Batch:
    """Put two of the shortest examples together."""
    lengths = dataset.lengths(0, min(len(dataset), LOOKED_AT)).max(axis=1)
    return dataset.collate(np.sort(np.argsort(lengths, kind="stable")[:2]))


def _check_inputs(model: nn.Module, batch: Batch) -> None:
    """Refuse a model whose forward does not take what the batches hold."""
    signature = inspect.signature(model.forward)
    try:
        signature.bind(**batch.net_input)
    except TypeError as error:
        raise ConfigError(
            f"The model takes {', '.join(signature.parameters)}, but the task's batches hold "
            f"{', '.join(batch.net_input)}. Choose a model that is meant for this task; "
            "`seqtrain plugins list --kind model` shows what there is."
        ) from error


def trained_parameters(model: nn.Module) -> ModelParameters:
    """
    Return what the optimizer is given.

    Raises:
        ConfigError: all parameters are frozen.
    """
    parameters = ModelParameters(model)
    if not any(True for _ in parameters):
        raise ConfigError(
            "All parameters of the model are frozen, so there is nothing to train. Let callbacks.freeze.parameters, "
            "or the callback that froze them, leave out some; `seqtrain evaluate` measures a model as it is."
        )
    return parameters


def warn_of_falling_rate(optimizer: object, lr_scheduler: LRScheduler, total_steps: int | None) -> None:
    """Warn if the learning rate is going to fall under an optimizer that is undone by that."""
    if not (isinstance(optimizer, WantsConstantRate) and optimizer.wants_constant_rate):
        return
    if _falls(lr_scheduler, total_steps):
        logger.warning(
            "The lr_scheduler lowers the learning rate, but the optimizer %s stands in for that, and trains worse with "
            "both. Choose a scheduler that stays where it is after warm-up, such as --lr-scheduler fixed",
            type(optimizer).__name__,
        )


def _falls(lr_scheduler: LRScheduler, total_steps: int | None) -> bool:
    """Say whether some factor is below an earlier one, as far as samples tell, or may be."""
    if isinstance(lr_scheduler, Stateful):
        return True  # it waits for a measure, to lower it then
    last = total_steps or LOOKED_AHEAD
    steps = {round(math.exp(each)) for each in np.linspace(0, math.log(last), 256)}
    steps |= {round(each) for each in np.linspace(1, last, 256)}
    factors = [lr_scheduler(step) for step in sorted(steps)]
    return any(later < earlier for earlier, later in pairwise(factors))
