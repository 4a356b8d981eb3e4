"""
From one command to the processes that train.

Without a launcher that is one process, this one; a launcher starts another, here or elsewhere. Several workers, and
jobs that torchrun or SLURM has already started, will begin in `call_main` and meet in `distributed_main`, which is
what each worker runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import cast

from seqtrain import train
from seqtrain.build import build_component
from seqtrain.config.option import Selection
from seqtrain.config.schema import DistributedConfig
from seqtrain.errors import ConfigError, PluginError
from seqtrain.host.blame import blame
from seqtrain.host.registry import Registry
from seqtrain.protocols import Launcher
from seqtrain.results import Results
from seqtrain.run_folder import RunFolder
from seqtrain.run_start import RunRequest
from seqtrain.signals import raise_on_sigterm
from seqtrain.worker_spec import WorkerSpec


def call_main(request: RunRequest, registry: Registry, environ: Mapping[str, str] = os.environ) -> Results:
    """
    Run the training that was asked for, in as many processes as it takes.

    Raises:
        ConfigError: more than one worker was asked for, here or by the launcher that started this process.
        PluginError: the launcher fails.
    """
    distributed = request.config.distributed
    _refuse_several_workers(distributed, environ)
    if distributed.launcher is None:
        return distributed_main(request, registry, environ)
    exit_code = launch(distributed.launcher, request, registry)
    return Results(RunFolder(request.run_dir).path, exit_code=exit_code, is_told=True)


def distributed_main(request: RunRequest, registry: Registry, environ: Mapping[str, str] = os.environ) -> Results:
    """Run one worker. Its process group would be made here; its device and seeds are the engine's."""
    _refuse_several_workers(request.config.distributed, environ)
    return train.main(request, registry)


def launch(selection: Selection, request: RunRequest, registry: Registry) -> int:
    """
    Have a launcher run the worker, and return the exit code: of the worker, or that of a signal as shells count it.

    Raises:
        PluginError: the launcher fails, or what it returns is no exit code.
    """
    distributed = request.config.distributed
    command = WorkerSpec.of(request, registry).command_line()
    launcher = cast("Launcher", build_component(registry, selection))
    component = registry.get(selection.kind, selection.name)
    with blame(component), raise_on_sigterm():
        code: object = launcher(command, workers=distributed.workers, nodes=distributed.nodes)
    if not isinstance(code, int) or not -128 < code < 256:
        raise PluginError(f"{component} returned {code!r}, which is no exit code.")
    return code if code >= 0 else 128 - code  # `subprocess` counts a signal downwards from 0


def _refuse_several_workers(distributed: DistributedConfig, environ: Mapping[str, str]) -> None:
    workers = max(distributed.workers * distributed.nodes, int(environ.get("WORLD_SIZE") or 1))
    if workers > 1:
        raise ConfigError(
            f"{workers} workers were asked for (distributed.workers, distributed.nodes or WORLD_SIZE), but this "
            "version of seqtrain trains in one process. Use distributed.workers=1; larger steps come from "
            "trainer.micro_batches_per_step."
        )
