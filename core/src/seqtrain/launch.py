"""
From one command to the processes that train, evaluate or predict.

`call_main` decides which these are. A job that torchrun, srun or Kubernetes has started is joined; a launcher, or
torch's elastic agent, starts workers here or elsewhere; otherwise this process does it alone. Each worker runs
`distributed_main`, where they join.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from seqtrain import train
from seqtrain.config.option import Selection
from seqtrain.config.schema import DistributedConfig
from seqtrain.errors import ConfigError, PluginError, UsageError
from seqtrain.inference import evaluate, predict
from seqtrain.metrics.console import start_logging
from seqtrain.protocols.runs import Launcher
from seqtrain.registry.isolation import blame
from seqtrain.registry.registry import Registry
from seqtrain.run.folder import RunFolder
from seqtrain.run.request import EvaluateRequest, PredictRequest, Request, RunRequest
from seqtrain.run.results import Results
from seqtrain.training.signals import raise_on_sigterm
from seqtrain.workers.check import refuse_worker_differences
from seqtrain.workers.local.failure import exit_status
from seqtrain.workers.process_group import join_process_group
from seqtrain.workers.report import ATTEMPT
from seqtrain.workers.spec import WorkerSpec
from seqtrain.workers.world import WorldInfo


def call_main(request: Request, registry: Registry, environ: Mapping[str, str] = os.environ) -> Results:
    """
    Train, evaluate or predict, as was asked for, in as many processes as it takes.

    Raises:
        UsageError: the environment says half of what it takes to join a job.
        ConfigError: what was asked for contradicts the job that this process is part of, or itself.
        PluginError: the launcher fails.
    """
    distributed = request.config.distributed
    _refuse_lonely_rendezvous(distributed)
    world = _job_to_join(distributed, environ)
    if world is not None:
        if world.rank == 0 and isinstance(request, RunRequest):
            _say(f"Joining the job that {world.started_by} started: worker 0 of {world.world_size}")
        return distributed_main(request, registry, environ)
    if distributed.launcher is not None:
        exit_code = launch(distributed.launcher, request, registry)
    elif distributed.workers * distributed.nodes > 1:
        exit_code = start_workers(request, registry)
    else:
        return distributed_main(request, registry, environ)
    return Results(RunFolder(request.run_dir).path, exit_code=exit_code, is_told=True)


def distributed_main(request: Request, registry: Registry, environ: Mapping[str, str] = os.environ) -> Results:
    """Run one worker: join the others, if there are any, and do what was asked for."""
    distributed, world = request.config.distributed, WorldInfo.from_environment(environ)
    _refuse_contradictions(distributed, world)
    with join_process_group(world, distributed) as group:
        refuse_worker_differences(group, request.config, registry)
        results: Results
        if isinstance(request, EvaluateRequest):
            results = evaluate.main(request, registry, group)
        elif isinstance(request, PredictRequest):
            results = predict.main(request, registry, group)
        else:
            if max(group.all_gather_object(_attempts(environ))) > 0:  # resume from what a failed attempt has saved
                request = replace(request, fresh=False)
            if not group.is_main:  # which logs into the run's folder as well, once that is open
                start_logging(request.config.logging.level, "plain", worker=group.rank)
            results = train.main(request, registry, group)
    return results if group.is_main else replace(results, is_told=True)


def launch(selection: Selection, request: Request, registry: Registry) -> int:
    """
    Have a launcher run the worker, and return the exit code: of the worker, or that of a signal as shells count it.

    Raises:
        PluginError: the launcher fails, or what it returns is no exit code.
    """
    distributed = request.config.distributed
    command = WorkerSpec.of(request, registry).command_line()
    launcher = cast("Launcher", registry.build(selection))
    component = registry.get(selection.kind, selection.name)
    with blame(component), raise_on_sigterm():
        code: object = launcher(command, workers=distributed.workers, nodes=distributed.nodes)
    if not isinstance(code, int) or not -128 < code < 256:
        raise PluginError(f"{component} returned {code!r}, which is no exit code.")
    return exit_status(code)


def start_workers(request: Request, registry: Registry) -> int:
    """Have torch's elastic agent run this host's workers, and return the exit code."""
    from seqtrain.workers.local.agent import run_workers  # noqa: PLC0415 - takes a second, which one process does without

    distributed = request.config.distributed
    hosts = "this host" if distributed.nodes == 1 else f"each of {distributed.nodes} hosts"
    if isinstance(request, RunRequest):
        _say(f"Starting {distributed.workers} worker{'s' if distributed.workers > 1 else ''} on {hosts}")
    return run_workers(
        WorkerSpec.of(request, registry).command_line(),
        workers=distributed.workers,
        nodes=distributed.nodes,
        rendezvous=distributed.rendezvous,
        max_restarts=distributed.max_restarts,
        stop_seconds=distributed.stop_seconds,
        threads=distributed.threads,
    )


def _job_to_join(distributed: DistributedConfig, environ: Mapping[str, str]) -> WorldInfo | None:
    world = WorldInfo.from_environment(environ)
    if world is not None and world.started_by == "srun" and distributed.nodes > 1 and distributed.rendezvous:
        return None  # srun has started one of us on each host, to start the workers there
    return world


def _refuse_lonely_rendezvous(distributed: DistributedConfig) -> None:
    if distributed.rendezvous is not None and distributed.nodes == 1:
        raise ConfigError(
            f"distributed.rendezvous={distributed.rendezvous} says where several hosts meet, but distributed.nodes is "
            "1. Say how many they are (--nodes), or set distributed.rendezvous=null."
        )


def _refuse_contradictions(distributed: DistributedConfig, world: WorldInfo | None) -> None:
    asked = distributed.workers * distributed.nodes
    if world is None and asked > 1:
        raise UsageError(
            f"This worker is one of {asked} (distributed.workers, distributed.nodes), but its environment does not say "
            "which: whoever starts workers sets RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and "
            "MASTER_PORT."
        )
    if world is None or world.started_by == "seqtrain" or asked in (1, world.world_size):
        return
    raise ConfigError(
        f"{world.started_by} started {world.world_size} workers, but distributed.workers and "
        f"distributed.nodes say {asked}. Leave --workers and --nodes away, or set both to 1: "
        "how many there are is what the job says."
    )


def _attempts(environ: Mapping[str, str]) -> int:
    """Return how often the workers have been started before: by our agent, by torchrun, or by SLURM after a requeue."""
    names = (ATTEMPT, "TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT")
    return max(int(environ.get(name) or 0) for name in names)


def _say(text: str) -> None:
    sys.stderr.write(f"seqtrain: {text}\n")
    sys.stderr.flush()
