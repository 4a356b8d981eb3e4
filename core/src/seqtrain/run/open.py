"""Open a run folder: a new one, or one to resume."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from seqtrain.config.dump import to_yaml
from seqtrain.config.plain import differences
from seqtrain.config.resolve import resolve
from seqtrain.config.schema import RunConfig
from seqtrain.errors import ConfigError, UsageError
from seqtrain.metrics.append_file import AppendFile
from seqtrain.metrics.console import NoProgressBar, start_logging
from seqtrain.protocols import ProgressBar
from seqtrain.registry.registry import Registry
from seqtrain.run.folder import RunFolder
from seqtrain.run.request import RunRequest
from seqtrain.workers.group import WorkerGroup

logger = logging.getLogger(__name__)


@contextmanager
def open_run(request: RunRequest, registry: Registry, group: WorkerGroup) -> Iterator[tuple[RunFolder, ProgressBar]]:
    """
    Hold a run folder, a new one with its configuration written, and log into it: as the main worker does for all.

    Returns:
        The folder, and the progress bar that shares the terminal with the log.

    Raises:
        ConfigError: the folder holds a run of another configuration.
        UsageError: another process trains there, or the model there was imported.
        CheckpointError: it cannot be written.
    """
    folder = RunFolder(request.run_dir)
    if not group.is_main:
        group.broadcast()
        yield folder, NoProgressBar()
        return
    folder.refuse_links()
    aside = folder.set_aside() if request.fresh and folder.exists_run() else None
    if folder.is_imported():
        raise UsageError(
            f"{folder.path} holds an imported model: weights, and no training to go on with. "
            "Train in another --run-dir, or with --fresh, which keeps what is here under another name."
        )
    folder.create()
    with folder.lock():
        logged = request.config.logging
        log_file = AppendFile(folder.train_log, request.config.checkpoint.when_unwritable)
        progress_bar = start_logging(logged.level, logged.progress, log_file)
        folder.clear_leftovers()
        if aside is not None:
            logger.warning("--fresh: the run that was in %s is now in %s", folder.path, aside)
        if folder.exists_run():
            refuse_changes(folder, request.config, registry, accept=request.accept_changes)
        if not folder.has_checkpoints():
            folder.write_config(to_yaml(request.config))
        write_environment(folder, registry, request.command)
        group.broadcast("opened")
        yield folder, progress_bar


def write_environment(folder: RunFolder, registry: Registry, command: Sequence[str]) -> None:
    """Write down with which plugins, and by which command, the run was made."""
    plugins = {
        plugin.id: {"distribution": plugin.distribution, "version": plugin.version}
        for plugin in registry.plugins
        if plugin.usable
    }
    folder.write_environment(command=command, plugins=plugins)


def refuse_other_task(folder: RunFolder, started_with: RunConfig, config: RunConfig) -> None:
    """Raise `ConfigError` if a run is to be gone on with, or used, as one of another task; nobody can want that."""
    old, new = started_with.task.name, config.task.name
    if old != new:
        raise ConfigError(
            f"{folder.path} holds a run of task.name={old}, of no use as one of task.name={new}: vocabulary and model "
            f"are made for the first. Name another run folder. A new run of {new} can start from the weights of "
            f"this one: `seqtrain train --task {new} --init-from {folder.path} --run-dir NEW`."
        )


def refuse_changes(folder: RunFolder, config: RunConfig, registry: Registry, *, accept: bool) -> None:
    """Raise `ConfigError` if the run was started with settings that make it another run."""
    started_with = resolve(registry, config_file=folder.config).config
    if folder.has_checkpoints():
        refuse_other_task(folder, started_with, config)
    changed = [each for each in differences(started_with, config) if not each.may_change]
    if not changed:
        return
    if not folder.has_checkpoints():  # a start that failed for its settings must not stand in the way of better ones
        folder.set_task_aside()
        return
    listed = "\n".join(f"  {each.key}: {each.old} in the run, {each.new} now" for each in changed)
    if accept:
        logger.warning("--accept-changes: going on in %s although these settings differ:\n%s", folder.path, listed)
        return
    raise ConfigError(
        f"{folder.path} holds a run of another configuration:\n{listed}\n"
        "Name another --run-dir, start over with --fresh (the old run is kept aside), "
        "or go on regardless with --accept-changes."
    )
