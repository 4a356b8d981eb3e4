"""The one place that asks the registry for parts and hands them to each other."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from torch import nn

from seqtrain.checkpoint.checkpointer import Checkpointer
from seqtrain.checkpoint.store import CheckpointStore
from seqtrain.checkpoint.task_files import PART, TaskFiles
from seqtrain.config.option import Selection
from seqtrain.config.schema import RunConfig
from seqtrain.config.standalone import kinds_of_lists, resolve_component
from seqtrain.data.epoch_iterator import EpochIterator
from seqtrain.data.plan import BatchLimits
from seqtrain.engine.compiling import checkpoint_activations, compile_model
from seqtrain.engine.engine import Engine
from seqtrain.engine.optimizer import LossScale, Optimizer
from seqtrain.errors import ConfigError
from seqtrain.evaluation import Evaluator
from seqtrain.metrics.console import ProgressBar
from seqtrain.metrics.logger import MetricLogger
from seqtrain.protocols import Criterion, ModelParameters, ModelSpec, Stateful
from seqtrain.registry.hooks import RunHooks
from seqtrain.registry.registry import RegisteredComponent, Registry
from seqtrain.run.folder import RunFolder
from seqtrain.task import Task
from seqtrain.trainer import Parts, Trainer
from seqtrain.training.sanity_check import check_model, warn_of_falling_rate
from seqtrain.training.stopping import EarlyStopping
from seqtrain.workers.group import WorkerGroup
from seqtrain.workers.watchdog import RunWatch, Watchdog

if TYPE_CHECKING:
    from seqtrain.finetune.warm_start import WarmStart

PrepareModel: TypeAlias = Callable[[nn.Module], None]


def build_trainer(
    config: RunConfig,
    registry: Registry,
    folder: RunFolder,
    progress_bar: ProgressBar,
    start: WarmStart | None = None,
    group: WorkerGroup | None = None,
) -> Trainer:
    """
    Build everything a run needs, ready to start or to be restored.

    Args:
        config: what to build.
        registry: what is installed.
        folder: the run.
        progress_bar: shows how far it is.
        start: weights to start from, where a new run does not start from nothing.
        group: the workers that train together; by default this process alone.

    Raises:
        PluginError: a component is missing or its plugin fails.
        ConfigError: two settings do not go together.
        DataError: the input files are not usable.
        CheckpointError: the model cannot start from these weights.
    """
    callbacks = build_callbacks(config, registry)
    group = group or WorkerGroup()
    trackers = build_trackers(config, registry, folder) if group.is_main else {}
    owners = hook_owners(config, registry)
    early_hooks = RunHooks({**callbacks, **trackers}, owners)  # of what there is before the data is read
    early_hooks.call("seqtrain_configure", config=config)
    engine = build_engine(config, group)  # before the data: a device that is not there should be known at once
    task = build_task(config, registry, group)
    with group.main_process_first():  # what the first makes, the others find
        task.prepare(folder.task, cache_folder(config))
        for split in task.splits():
            task.dataset(split)

    def prepare(model: nn.Module) -> None:
        if start is not None:
            start.copy_into(model, task)
        early_hooks.call("seqtrain_model_built", model=model)

    parts = build_parts(config, registry, task, engine, prepare)
    watching = {"lr_scheduler": parts.lr_scheduler, **callbacks, **build_own_watchers(config, task, group)}
    hooks = RunHooks({**watching, **trackers}, owners)
    checkpointer = Checkpointer(
        config.checkpoint,
        CheckpointStore(folder.checkpoints),
        metric=config.trainer.best_metric,
        higher_is_better=is_higher_better(config, task),
    )
    metric_logger = MetricLogger(group, config.logging.every, folder.metrics, hooks, progress_bar)
    stateful: dict[str, Stateful] = {PART: TaskFiles(folder.task)}
    stateful |= {name: part for name, part in watching.items() if isinstance(part, Stateful)}
    if parts.optimizer.loss_scale is not None:
        stateful["loss_scale"] = parts.optimizer.loss_scale
    return Trainer(config.trainer, parts, checkpointer, metric_logger, hooks, stateful)


def build_component(registry: Registry, selection: Selection, **supplied: Any) -> Any:
    """
    Build a component: its `ref`, called with its config and what its kind is supplied with.

    A config field that selects a component itself is supplied under its name, as a function that makes one. For a
    field that selects several by a list of names, that is `build_named`, which is called with a name.
    """
    inner = {field.name: getattr(selection.config, field.name) for field in fields(selection.config)}
    makers: dict[str, Callable[..., Any]] = {
        name: partial(build_component, registry, value) for name, value in inner.items() if isinstance(value, Selection)
    }
    lists = kinds_of_lists(type(selection.config))
    makers |= {name: partial(build_named, registry, kind) for name, kind in lists.items()}
    return registry.get(selection.kind, selection.name).build(selection.config, **makers, **supplied)


def build_named(registry: Registry, kind: str, name: str, settings: object = None) -> Any:
    """
    Build a component that is chosen by its name alone.

    Args:
        registry: what is installed.
        kind: the component's kind.
        name: short or qualified.
        settings: its config, if it is of the component's config class or of one derived from it; otherwise, the
            component has its defaults.

    Raises:
        PluginError: there is no such component, or it cannot be built.
    """
    config_type = registry.get(kind, name).load_config()
    config = settings if isinstance(settings, config_type) else resolve_component(registry, kind, name).config
    return registry.get(kind, name).build(config)


def build_callbacks(config: RunConfig, registry: Registry) -> dict[str, Any]:
    """Build the callbacks, in the order in which they are called, by their names in checkpoints and errors."""
    return {f"callbacks.{each.name}": build_component(registry, each) for each in registry.in_order(config.callbacks)}


def build_trackers(config: RunConfig, registry: Registry, folder: RunFolder) -> dict[str, Any]:
    """Build the trackers, each with a folder in the run's, by their names in errors."""
    return {
        f"trackers.{each.name}": build_component(registry, each, folder=folder.path / each.name.rpartition("/")[2])
        for each in registry.in_order(config.trackers)
    }


def build_own_watchers(config: RunConfig, task: Task, group: WorkerGroup) -> dict[str, Any]:
    """Build what core itself has watch the run, by the names in checkpoints and errors."""
    built: dict[str, Any] = {}
    if config.trainer.patience is not None:
        built["early_stopping"] = EarlyStopping(
            config.trainer.best_metric, config.trainer.patience, higher_is_better=is_higher_better(config, task)
        )
    if group.world_size > 1:
        built["watchdog"] = RunWatch(Watchdog(config.distributed.timeout, group.rank))
    return built


def hook_owners(config: RunConfig, registry: Registry) -> dict[str, RegisteredComponent]:
    """Return the components whose instances are called by hooks, under the names of those in checkpoints and errors."""
    named = {f"callbacks.{each.name}": each for each in config.callbacks}
    named |= {f"trackers.{each.name}": each for each in config.trackers}
    named["lr_scheduler"] = config.lr_scheduler
    return {name: registry.get(each.kind, each.name) for name, each in named.items()}


def build_engine(config: RunConfig, group: WorkerGroup | None = None) -> Engine:
    """Build what computes."""
    settings, precision, seed = config.distributed, config.trainer.precision, config.trainer.seed
    if group is None or group.world_size == 1:
        return Engine(settings, group, precision=precision, seed=seed)
    # It takes torch a second to import this, which a single process does without.
    from seqtrain.engine.parallel import DDPEngine, FSDPEngine  # noqa: PLC0415

    engine_class = FSDPEngine if settings.engine == "fsdp" else DDPEngine
    return engine_class(settings, group, precision=precision, seed=seed)


def build_task(config: RunConfig, registry: Registry, group: WorkerGroup | None = None) -> Task:
    """Build the task, for this process alone or a group; `prepare` or `load` is still to be called."""
    task = cast("Task", build_component(registry, config.task))
    task.workers = group or WorkerGroup()
    return task


def build_model(
    config: RunConfig, registry: Registry, spec: ModelSpec, engine: Engine, prepare: PrepareModel | None = None
) -> nn.Module:
    """Build the model with its initial weights, have it prepared, and return it on the engine's device."""
    engine.seed_initialisation()
    model = cast("nn.Module", build_component(registry, config.model, spec=spec))
    if prepare is not None:
        prepare(model)
    return engine.place(model)


def build_evaluator(config: RunConfig, registry: Registry, task: Task, engine: Engine) -> Evaluator:
    """Build what measures models on the task's splits."""
    criterion = cast("Criterion", build_component(registry, config.criterion, spec=task.model_spec))
    return Evaluator(task, engine.in_precision(criterion), engine, batch_limits(config))


def build_parts(
    config: RunConfig, registry: Registry, task: Task, engine: Engine, prepare: PrepareModel | None = None
) -> Parts:
    """Build model, criterion, optimizer and data for a prepared task; see `build_model` for `prepare`."""
    train_data = EpochIterator(
        task.dataset("train"),
        batch_limits(config),
        micro_batches_per_step=config.trainer.micro_batches_per_step or engine.group.world_size,
        seed=config.data.seed,
        prefetch=config.data.prefetch,
        parts=config.data.epoch_parts,
        group=engine.group,
    )
    evaluator = build_evaluator(config, registry, task, engine)
    model = build_model(config, registry, task.model_spec, engine, prepare)
    check = partial(check_model, config, model, evaluator, train_data.dataset)
    check()
    if config.trainer.compile:
        compile_model(model)
    if config.trainer.checkpoint_activations:
        checkpoint_activations(model)
    criterion = engine.distribute(model, evaluator.criterion, check)
    steps = total_steps(config, train_data)
    lr_scheduler = build_component(registry, config.lr_scheduler, total_steps=steps)
    optimizer = build_component(registry, config.optimizer, parameters=trained_parameters(model))
    warn_of_falling_rate(optimizer, lr_scheduler, steps)
    return Parts(
        task=task,
        model=model,
        criterion=criterion,
        optimizer=Optimizer(optimizer, lr_scheduler, LossScale() if config.trainer.precision == "fp16" else None),
        lr_scheduler=lr_scheduler,
        engine=engine,
        train_data=train_data,
        evaluator=evaluator,
        total_steps=steps,
    )


def trained_parameters(model: nn.Module) -> ModelParameters:
    """Return what the optimizer is given; there must be something."""
    parameters = ModelParameters(model)
    if not any(True for _ in parameters):
        raise ConfigError(
            "All parameters of the model are frozen, so there is nothing to train. Let callbacks.freeze.parameters, "
            "or the callback that froze them, leave out some; `seqtrain evaluate` measures a model as it is."
        )
    return parameters


def batch_limits(config: RunConfig) -> BatchLimits:
    """Return how large a batch may be."""
    if config.data.max_tokens is None and config.data.max_sentences is None:
        raise ConfigError("Set data.max_tokens or data.max_sentences: without either, all data would be one batch.")
    return BatchLimits(max_tokens=config.data.max_tokens, max_sentences=config.data.max_sentences)


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
        return Path(environ["XDG_CACHE_HOME"]) / "seqtrain"
    return Path(environ.get("HOME") or Path.cwd()) / ".cache" / "seqtrain"


def is_higher_better(config: RunConfig, task: Task) -> bool:
    """Say which way trainer.best_metric is better."""
    return config.trainer.best_metric in task.higher_is_better
