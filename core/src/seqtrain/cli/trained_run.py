"""A trained run for a command that uses one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqtrain.cli.invocation import present_invocation
from seqtrain.workers.report import WorkerReport
from seqtrain.workers.world import WorldInfo

if TYPE_CHECKING:
    from seqtrain.config.schema import DistributedConfig
    from seqtrain.inference.load import TrainedRun
    from seqtrain.workers.group import WorkerGroup


def in_workers(
    use: Callable[[TrainedRun, WorkerGroup], int],
    run: Path,
    overrides: Sequence[str],
    checkpoints: Sequence[str],
    workers: int,
) -> int:
    """
    Use a run in as many processes as are wanted: this one, those it starts, or those that a job has started.

    Args:
        use: takes the run and the workers that divide the work, of which each calls it; returns the exit code.
        run: its folder.
        overrides: settings for this time.
        checkpoints: their names.
        workers: how many to start, where no job has started this process.

    Returns:
        The exit code.
    """
    from seqtrain.config.resolve import resolve
    from seqtrain.run.folder import RunFolder
    from seqtrain.run.open import refuse_other_task

    folder = RunFolder(run)
    folder.require_run()
    registry = present_invocation().registry
    config = resolve(registry, config_file=folder.config, overrides=overrides).config
    if overrides:
        refuse_other_task(folder, resolve(registry, config_file=folder.config).config, config)

    world = WorldInfo.from_environment(os.environ)
    if world is None and workers > 1:
        return _start_workers(workers, config.distributed)

    # torch is imported from here on, once the arguments are known to make sense
    from seqtrain.inference.load import load_run
    from seqtrain.metrics.console import start_logging
    from seqtrain.workers.process_group import join_process_group

    with join_process_group(world, config.distributed) as group:
        start_logging("warning", "plain", worker=group.rank)
        exit_code = use(load_run(folder, registry, config, checkpoints=checkpoints, group=group), group)
    if exit_code and WorkerReport(kind="left", exit_code=exit_code).write():
        return 0  # for the agent no failure, whatever the command ends with
    return exit_code


def _start_workers(workers: int, distributed: DistributedConfig) -> int:
    """Run the same command line in several workers."""
    from seqtrain.workers.local.agent import run_workers

    command = [sys.executable, "-m", "seqtrain", *present_invocation().arguments]
    return run_workers(command, workers=workers, threads=distributed.threads)
