"""Tiny real runs: the toy parts around whatever a test wants to try."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from seqtrain.build import Build
from seqtrain.config.resolve import resolve
from seqtrain.config.schema import RunConfig
from seqtrain.finetune.warm_start import warm_start
from seqtrain.inference.load import TrainedRun, load_run
from seqtrain.metrics.console import NoProgressBar
from seqtrain.registry.registry import Registry
from seqtrain.run.compare import leaves
from seqtrain.run.folder import RunFolder
from seqtrain.trainer import Trainer
from seqtrain.workers.group import WorkerGroup
from seqtrain_testing.registry import RegistryBuilder


def make_trainer(config: RunConfig, registry: Registry, folder: RunFolder, group: WorkerGroup | None = None) -> Trainer:
    """Make the parts of a run and put them together as `seqtrain.train.main` does, ready to start or to be restored."""
    initialise = warm_start(config, registry, folder)
    build = Build(config, registry, folder, group or WorkerGroup())
    task = build.task()
    model = build.model(task, initialise)
    criterion = build.criterion(task, model)
    optimizer = build.optimizer(model)
    train_data = build.train_data(task)
    lr_scheduler = build.lr_scheduler(train_data)
    return build.trainer(task, model, criterion, optimizer, lr_scheduler, train_data, NoProgressBar())


class RunMaker:
    """
    Makes runs in folders below one folder.

    Args:
        registry: where components are looked up; it has the toy parts.
        folder: for the runs.
    """

    def __init__(self, registry: Registry, folder: Path) -> None:
        self._registry, self._folder = registry, folder

    def __call__(self, *settings: str, steps: int = 4, stop_at: int | None = None, name: str = "run") -> Trainer:
        """
        Train on the toy task, going on from the last checkpoint of the run of this name.

        Args:
            settings: `key=value`, such as `model.name=acme/rnn`; with `task.name=...` on another task, by its recipe.
            steps: updates of the whole run.
            stop_at: interrupt the run after this update; a second call goes on.
            name: of the run.

        Returns:
            The trainer, done.
        """
        more = [f"trainer.max_steps={steps}", *([] if stop_at is None else [f"callbacks.stop_at.step={stop_at}"])]
        folder = self.folder(name)
        folder.create()
        config = self._config(*settings, *more)
        trainer = make_trainer(config, self._registry, folder)
        trainer.restore()
        trainer.run()
        return trainer

    def load(self, *settings: str, name: str = "run") -> TrainedRun:
        """Return what a run of these settings has trained, as `seqtrain predict` would load it."""
        return load_run(self.folder(name), self._registry, self._config(*settings), checkpoints=["last"])

    def folder(self, name: str = "run") -> RunFolder:
        """Return the folder of the run of this name."""
        return RunFolder(self._folder / name)

    def _config(self, *settings: str) -> RunConfig:
        overrides = [*settings, f"data.cache_dir={self._folder / 'cache'}"]
        return resolve(self._registry, task="toy/toy", overrides=overrides).config


def digest_in_worker(settings: tuple[str, ...], folder: str, threads: int) -> str:
    """
    Train two updates in this process with what is installed, and return a hash of all state.

    For a process that was spawned: it gets names and settings, and finds the components by itself. With another number
    of threads sums are formed in another order.
    """
    torch.set_num_threads(threads)
    registry = RegistryBuilder.with_everything_installed().registry
    return digest(saved_state(RunMaker(registry, Path(folder))(*settings, steps=2)))


def saved_state(trainer: Trainer) -> dict[str, Any]:
    """Return all that a checkpoint would hold, by dotted name, without what depends on the clock."""
    return leaves({name: part.state_dict() for name, part in trainer.state.items()})


def digest(state: Mapping[str, Any]) -> str:
    """Return a hash of a state."""
    content = hashlib.sha256()
    for key, value in sorted(state.items()):
        content.update(key.encode())
        is_tensor = isinstance(value, torch.Tensor)
        content.update(value.detach().contiguous().cpu().numpy().tobytes() if is_tensor else repr(value).encode())
    return content.hexdigest()
