"""A trained run, ready to predict or to be measured."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn

from seqtrain.build import (
    build_callbacks,
    build_evaluator,
    build_model,
    build_task,
    cache_folder,
    hook_owners,
    refuse_misfit,
)
from seqtrain.checkpoint.catalog import CheckpointCatalog
from seqtrain.checkpoint.checkpoint import Checkpoint
from seqtrain.checkpoint.checkpointer import check_match
from seqtrain.checkpoint.task_files import check_task_files
from seqtrain.config.schema import RunConfig
from seqtrain.engine.engine import Engine
from seqtrain.errors import CheckpointError
from seqtrain.evaluation import Evaluator
from seqtrain.protocols import SuppliesWeights
from seqtrain.registry.hooks import run_hooks
from seqtrain.registry.registry import Registry
from seqtrain.run.folder import RunFolder
from seqtrain.task import Task
from seqtrain.workers.group import WorkerGroup

_TRIES = 10  # to read a checkpoint of a run that goes on meanwhile
Loaded = TypeVar("Loaded")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedRun:
    """
    What predicting and measuring need.

    Args:
        task: loaded from the run folder.
        models: one for each checkpoint, in evaluation mode.
        evaluator: measures them on the task's splits.
        checkpoints: the checkpoints' names.
        config: the configuration that task and models were made from.
        artifacts: RUN/task, what the task was loaded from.
    """

    task: Task
    models: Sequence[nn.Module]
    evaluator: Evaluator
    checkpoints: Sequence[str]
    config: RunConfig
    artifacts: Path


def load_run(
    folder: RunFolder,
    registry: Registry,
    config: RunConfig,
    *,
    checkpoints: Sequence[str] = (),
    task: Task | None = None,
    group: WorkerGroup | None = None,
) -> TrainedRun:
    """
    Load a run's models.

    Args:
        folder: the run.
        registry: what is installed.
        config: the run's configuration.
        checkpoints: which ones, as `CheckpointCatalog.open` takes them; default: the best, or the last if none is best.
        task: the task, where it is there already.
        group: the workers that measure or predict together, each with the whole models; by default this process alone.

    Raises:
        CheckpointError: there is no such checkpoint, it is damaged, or it is of another model; or something in the
            folder leads out of it.
    """
    group = group or WorkerGroup()
    folder.refuse_links()
    engine = Engine(config.distributed, group, precision=config.trainer.precision, seed=config.trainer.seed)
    if task is None:
        task = build_task(config, registry, group)
        task.load(folder.task, cache_folder(config))
    hooks = run_hooks(build_callbacks(config, registry), hook_owners(config, registry)).hook

    def load(checkpoint: Checkpoint) -> nn.Module:
        check_task_files(checkpoint, folder.task)
        refuse_misfit(config, registry, task.model_spec, {str(checkpoint.path): checkpoint.shapes()})
        model = build_model(
            config, registry, task.model_spec, engine, lambda model: hooks.seqtrain_model_built(model=model)
        )
        load_weights(model, weights_for_inference(checkpoint, config, registry), str(checkpoint.path))
        return model.eval()

    loaded = load_checkpoints(CheckpointCatalog(folder.checkpoints), checkpoints, group, load)
    names, models = [checkpoint.name for checkpoint, _ in loaded], [model for _, model in loaded]
    evaluator = build_evaluator(config, registry, task, engine)
    return TrainedRun(task, models, evaluator, names, config, folder.task)


def load_checkpoints(
    catalog: CheckpointCatalog, names: Sequence[str], group: WorkerGroup, load: Callable[[Checkpoint], Loaded]
) -> list[tuple[Checkpoint, Loaded]]:
    """
    Load the same checkpoints on all workers; their files are compared with their manifests once on each host.

    The run may still be in training, and delete one while it is read. `best` and `last` point to others then, which are
    taken instead.

    Args:
        catalog: the run's checkpoints.
        names: see `load_run`.
        group: the workers.
        load: loads one.

    Raises:
        CheckpointError: see `load_run`.
    """
    for tries_left in reversed(range(_TRIES)):
        paths = [Path(each) for each in group.by_main(lambda: _find(catalog, names))]
        loaded, failure = [], None
        try:
            loaded = [(checkpoint, load(checkpoint)) for checkpoint in _verified(catalog, paths, group)]
        except CheckpointError as error:
            failure = error
        is_gone = failure is not None and not all(path.is_dir() for path in paths)
        if tries_left and any(group.all_gather_object(is_gone)):
            logger.info("The run has deleted what was being read, and has newer checkpoints: looking again")
        elif failure is not None:
            raise failure
        else:
            break
    return loaded


def _find(catalog: CheckpointCatalog, names: Sequence[str]) -> list[str]:
    """Return the folders of checkpoints; where a pointer moves while it is followed, it is followed again."""
    for tries_left in reversed(range(_TRIES)):
        try:
            return [str(catalog.find(name)) for name in names] or [str(catalog.default())]
        except CheckpointError:
            if not tries_left:
                raise
    raise AssertionError("the last try returns or raises")


def _verified(catalog: CheckpointCatalog, paths: Sequence[Path], group: WorkerGroup) -> list[Checkpoint]:
    """Compare checkpoints with their manifests, on one worker of each host, and return them."""

    def refusal() -> str:
        try:
            for path in paths:
                catalog.open(str(path))
        except CheckpointError as error:
            return str(error)
        return ""

    if refused := group.node_local_first(refusal):
        raise CheckpointError(refused)
    return [Checkpoint.read(path) for path in paths]


def weights_for_inference(checkpoint: Checkpoint, config: RunConfig, registry: Registry) -> dict[str, Tensor]:
    """Return the weights that validation used: the model's, or those that a callback of the run supplies."""
    weights: dict[str, Tensor] = checkpoint.load("model")
    for selection in config.callbacks:
        part = f"callbacks.{selection.name}"
        if part not in checkpoint.parts:
            continue
        callback = registry.build(selection)
        if isinstance(callback, SuppliesWeights):
            callback.load_state_dict(checkpoint.load(part))
            # A callback knows a tied weight under one of its names; the same tensor stands under all of them.
            instead = {id(weights[name]): tensor for name, tensor in callback.weights().items()}
            weights = {name: instead.get(id(tensor), tensor) for name, tensor in weights.items()}
    return weights


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], where: str, *, remedy: str = "") -> None:
    """Load weights that must fit; `where` and `remedy` say in an error where they come from, and what to do."""
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    check_match(expected, {name: tensor.shape for name, tensor in weights.items()}, where, remedy=remedy)
    model.load_state_dict(weights)
