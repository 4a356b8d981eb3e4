"""The one place that asks the registry for parts and hands them to each other."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, cast

import torch
from torch import nn

from seqtrain.builtin.watchers import own_watchers
from seqtrain.checkpoint.atomic_io import naming
from seqtrain.checkpoint.catalog import STEP, CheckpointCatalog
from seqtrain.checkpoint.checkpoint import Checkpoint
from seqtrain.checkpoint.checkpointer import Checkpointer, check_match
from seqtrain.checkpoint.task_files import PART, TaskFiles
from seqtrain.config.paths import expand_home
from seqtrain.config.schema import RunConfig
from seqtrain.data.epoch_iterator import EpochIterator, batch_limits
from seqtrain.engine.engine import Engine
from seqtrain.engine.optimizer import LossScale, Optimizer
from seqtrain.errors import CheckpointError
from seqtrain.evaluation import Evaluator
from seqtrain.metrics.append_file import AppendFile
from seqtrain.metrics.best import Measure
from seqtrain.metrics.logger import MetricLogger
from seqtrain.protocols import Criterion, LRScheduler, ModelSpec, ProgressBar, Stateful
from seqtrain.registry.hooks import run_hooks
from seqtrain.registry.registry import RegisteredComponent, Registry
from seqtrain.run.folder import RunFolder
from seqtrain.task import Task
from seqtrain.trainer import Trainer
from seqtrain.training.meta_model import shapes_of
from seqtrain.training.sanity_check import check_model, trained_parameters, warn_of_falling_rate
from seqtrain.workers.group import WorkerGroup

Initialise: TypeAlias = Callable[[nn.Module, Task], None]
"""Gives a model other weights than its own initial ones."""


class Build:
    """
    Makes the parts of one training run, each when `train.main` asks for it.

    Args:
        config: what to make.
        registry: what is installed.
        folder: the run.
        group: the workers that train together.

    Raises:
        PluginError: a component is missing or its plugin fails.
        ConfigError: two settings do not go together.
    """

    def __init__(self, config: RunConfig, registry: Registry, folder: RunFolder, group: WorkerGroup) -> None:
        self.config = config
        self.registry = registry
        self.folder = folder
        self.callbacks = build_callbacks(config, registry)
        self.trackers = build_trackers(config, registry, folder) if group.is_main else {}
        self.owners = hook_owners(config, registry)
        self.early_hooks = run_hooks({**self.callbacks, **self.trackers}, self.owners).hook  # the others need the data
        self.early_hooks.seqtrain_configure(config=config)
        self.engine = build_engine(config, group)  # before the data: a device that is not there is known at once

    def task(self) -> Task:
        """
        Build the task, and have it read its data.

        Raises:
            DataError: the input files are not usable.
        """
        task = build_task(self.config, self.registry, self.engine.group)
        cache = cache_folder(self.config)
        place = naming(f"a file in {self.folder.task} or {cache}")
        with self.engine.group.main_process_first(), place:  # what the first makes, the others find
            task.prepare(self.folder.task, cache)
            for split in task.splits():
                task.dataset(split)
        return task

    def model(self, task: Task, initialise: Initialise) -> nn.Module:
        """
        Build the model with its initial weights, on its device.

        Raises:
            CheckpointError: the model cannot start from the weights that `initialise` has, or is not that of the
                checkpoint to resume from.
        """
        refuse_misfit(self.config, self.registry, task.model_spec, self._newest_shapes())

        def prepare(model: nn.Module) -> None:
            initialise(model, task)
            self.early_hooks.seqtrain_model_built(model=model)

        return build_model(self.config, self.registry, task.model_spec, self.engine, prepare)

    def _newest_shapes(self) -> dict[str, Mapping[str, Sequence[int]]]:
        """Return the shapes in the newest checkpoint by its path; none if it cannot be read, which restoring tells."""
        steps = [each for each in CheckpointCatalog(self.folder.checkpoints).folders() if STEP.fullmatch(each.name)]
        with suppress(CheckpointError):
            return {str(each): Checkpoint.read(each).shapes() for each in steps[-1:]}
        return {}

    def criterion(self, task: Task, model: nn.Module) -> Criterion:
        """Build the criterion, and have the engine prepare the model to be trained with it."""
        self.evaluator = build_evaluator(self.config, self.registry, task, self.engine)
        check = partial(check_model, self.config, model, self.evaluator, task.dataset("train"))
        return self.engine.prepare(model, self.evaluator.criterion, check)

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Build the optimizer of the parameters that are not frozen."""
        optimizer = self.registry.build(self.config.optimizer, parameters=trained_parameters(model))
        return cast("torch.optim.Optimizer", optimizer)

    def train_data(self, task: Task) -> EpochIterator:
        """Make what hands out the training batches."""
        return EpochIterator(
            task.dataset("train"),
            batch_limits(self.config.data),
            micro_batches_per_step=self.config.trainer.micro_batches_per_step or self.engine.group.world_size,
            seed=self.config.data.seed,
            prefetch=self.config.data.prefetch,
            parts=self.config.data.epoch_parts,
            group=self.engine.group,
        )

    def lr_scheduler(self, train_data: EpochIterator) -> LRScheduler:
        """Build the learning-rate scheduler, which knows how many updates there will be."""
        steps = total_steps(self.config, train_data)
        return cast("LRScheduler", self.registry.build(self.config.lr_scheduler, total_steps=steps))

    def trainer(  # noqa: PLR0917 - the parts, in the order in which they are made
        self,
        task: Task,
        model: nn.Module,
        criterion: Criterion,
        optimizer: torch.optim.Optimizer,
        lr_scheduler: LRScheduler,
        train_data: EpochIterator,
        progress_bar: ProgressBar,
    ) -> Trainer:
        """Put the parts together, ready to start or to be restored."""
        config = replace(self.config.trainer, best_metric=self.config.trainer.best_metric or task.best_metric)
        group = self.engine.group
        best = Measure(str(config.best_metric), config.best_metric in task.higher_is_better)
        steps = total_steps(self.config, train_data)
        warn_of_falling_rate(optimizer, lr_scheduler, steps)
        loss_scale = LossScale() if config.precision == "fp16" else None
        watchers = {
            "lr_scheduler": lr_scheduler,
            **self.callbacks,
            **own_watchers(self.config, group, best),
        }
        hooks = run_hooks({**watchers, **self.trackers}, self.owners).hook
        metrics_file = AppendFile(self.folder.metrics, self.config.checkpoint.when_unwritable)
        task_files = TaskFiles(self.folder.task)
        stateful: dict[str, Stateful] = {PART: task_files}
        stateful |= {name: part for name, part in watchers.items() if isinstance(part, Stateful)}
        if loss_scale is not None:
            stateful["loss_scale"] = loss_scale
        return Trainer(
            config=config,
            task=task,
            model=model,
            criterion=criterion,
            optimizer=Optimizer(optimizer, lr_scheduler, loss_scale),
            engine=self.engine,
            train_data=train_data,
            evaluator=self.evaluator,
            checkpointer=Checkpointer(
                self.config.checkpoint,
                self.folder.checkpoints,
                group,
                best,
                needed=(self.folder.require_own, task_files.flush, metrics_file.flush),
            ),
            metric_logger=MetricLogger(
                group, self.config.logging.every, metrics_file, hooks, progress_bar, self.folder.require_own
            ),
            hooks=hooks,
            stateful=stateful,
            total_steps=steps,
        )


def build_callbacks(config: RunConfig, registry: Registry) -> dict[str, Any]:
    """Build the callbacks, in the order in which they are called, by their names in checkpoints and errors."""
    return {f"callbacks.{each.name}": registry.build(each) for each in registry.in_order(config.callbacks)}


def build_trackers(config: RunConfig, registry: Registry, folder: RunFolder) -> dict[str, Any]:
    """Build the trackers, each with a folder in the run's, by their names in errors."""
    return {
        f"trackers.{each.name}": registry.build(each, folder=folder.of_tracker(each.name.rpartition("/")[2]))
        for each in registry.in_order(config.trackers)
    }


def hook_owners(config: RunConfig, registry: Registry) -> dict[str, RegisteredComponent]:
    """Return the components whose instances are called by hooks, under the names of those in checkpoints and errors."""
    named = {f"callbacks.{each.name}": each for each in config.callbacks}
    named |= {f"trackers.{each.name}": each for each in config.trackers}
    named["lr_scheduler"] = config.lr_scheduler
    return {name: registry.get(each.kind, each.name) for name, each in named.items()}


def build_engine(config: RunConfig, group: WorkerGroup | None = None) -> Engine:
    """Build what computes."""
    engine_class = Engine
    if group is not None and group.world_size > 1:
        # It takes torch a second to import this, which a single process does without.
        from seqtrain.engine.parallel import DDPEngine, FSDPEngine  # noqa: PLC0415

        engine_class = FSDPEngine if config.distributed.engine == "fsdp" else DDPEngine
    return engine_class(
        config.distributed,
        group,
        precision=config.trainer.precision,
        seed=config.trainer.seed,
        compiled=config.trainer.compile,
        checkpointed=config.trainer.checkpoint_activations,
    )


def build_task(config: RunConfig, registry: Registry, group: WorkerGroup | None = None) -> Task:
    """Build the task, for this process alone or a group; `prepare` or `load` is still to be called."""
    task = cast("Task", registry.build(config.task))
    task.workers = group or WorkerGroup()
    return task


def build_model(
    config: RunConfig,
    registry: Registry,
    spec: ModelSpec,
    engine: Engine,
    prepare: Callable[[nn.Module], None] | None = None,
) -> nn.Module:
    """Build the model with its initial weights, have it prepared, and return it on the engine's device."""
    engine.seed_initialisation()
    model = cast("nn.Module", registry.build(config.model, spec=spec))
    if prepare is not None:
        prepare(model)
    return engine.place(model)


def refuse_misfit(
    config: RunConfig,
    registry: Registry,
    spec: ModelSpec,
    found: Mapping[str, Mapping[str, Sequence[int]]],
    *,
    remedy: str = "",
) -> None:
    """
    Compare a model with the weights that it is to get, before there is memory for either.

    A model that cannot be built without memory is compared when its weights are there.

    Args:
        config: the run's.
        registry: what is installed.
        spec: what the model knows of the data.
        found: the shapes of weights by name, by what a message is to call them.
        remedy: see `check_match`.

    Raises:
        CheckpointError: they do not fit.
    """

    def build() -> nn.Module:
        model = cast("nn.Module", registry.build(config.model, spec=spec))
        # Callbacks may change a model; those of the run must not meet this one.
        run_hooks(build_callbacks(config, registry), hook_owners(config, registry)).hook.seqtrain_model_built(
            model=model
        )
        return model

    if not found:
        return
    try:
        expected = shapes_of(build, max(map(len, found.values())))
    except CheckpointError as error:
        raise CheckpointError(
            f"The weights in {' and '.join(found)} do not fit the model that model.* describes: {error}. "
            "Use the config.yaml of the run that they come from."
        ) from error
    for where, shapes in found.items():
        if expected is not None:
            check_match(expected, shapes, where, remedy=remedy)


def build_evaluator(config: RunConfig, registry: Registry, task: Task, engine: Engine) -> Evaluator:
    """Build what measures models on the task's splits, by the criterion and the task's own measures."""
    criterion = cast("Criterion", registry.build(config.criterion, spec=task.model_spec))
    return Evaluator(task, engine.in_precision(criterion), engine, batch_limits(config.data))


def total_steps(config: RunConfig, train_data: EpochIterator) -> int | None:
    """Return how many updates the run will make, None if no limit tells."""
    limits = [config.trainer.max_steps] if config.trainer.max_steps is not None else []
    if config.trainer.max_epochs is not None:
        limits.append(config.trainer.max_epochs * train_data.plan(1).num_steps)
    return min(limits, default=None)


def cache_folder(config: RunConfig, environ: Mapping[str, str] = os.environ) -> Path:
    """Return where files that can be made again are kept: data.cache_dir, or the user's cache folder."""
    if config.data.cache_dir is not None:
        return Path(config.data.cache_dir)
    if environ.get("XDG_CACHE_HOME"):
        return Path(expand_home(environ["XDG_CACHE_HOME"])) / "seqtrain"
    return Path(environ.get("HOME") or Path.cwd()) / ".cache" / "seqtrain"
