"""Join the other workers of a job, and leave them again."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from seqtrain.config.schema import DistributedConfig
from seqtrain.errors import TrainingError
from seqtrain.workers.addresses import interface_of, own_address
from seqtrain.workers.group import ProcessGroup, WorkerGroup
from seqtrain.workers.report import WorkerReport, follow_agent
from seqtrain.workers.world import WorldInfo

_MARGIN = 60  # seconds that a call to the others may take longer than the watchdog, which has more to say


@contextmanager
def join_process_group(world: WorldInfo | None, distributed: DistributedConfig) -> Iterator[WorkerGroup]:
    """
    Be one of the workers of a job for a while, from when all are there until all are done.

    Meanwhile stdout belongs to the main worker; what others print goes to stderr.

    Args:
        world: which one; None for a process of its own.
        distributed: threads, and how long to wait for the others.

    Raises:
        TrainingError: the others are not there in time.
    """
    if world is None:
        if distributed.threads is not None:
            torch.set_num_threads(distributed.threads)
        yield WorkerGroup()
        return
    follow_agent(distributed.stop_seconds)
    _choose_interface(world)
    with _stdout_of_main(world.rank):
        group = _join(world, distributed)
        try:
            _choose_threads(group, world, distributed)
            yield group
            group.broadcast()  # who ended first would look as if it had been lost; the main worker has most to do
            group.all_gather_object(None)
            WorkerReport(kind="left", exit_code=0).write()
        finally:
            dist.destroy_process_group()


def _join(world: WorldInfo, distributed: DistributedConfig) -> ProcessGroup:
    timeout = timedelta(seconds=distributed.timeout + _MARGIN)
    try:
        store = _store(world, timeout)
        dist.init_process_group(
            _backend(distributed), store=store, rank=world.rank, world_size=world.world_size, timeout=timeout
        )
        return ProcessGroup(store, local_rank=world.local_rank, local_world_size=world.local_world_size)
    except (RuntimeError, ValueError) as error:  # DistNetworkError and DistStoreError among them
        raise TrainingError(
            f"Worker {world.rank} of {world.world_size} did not find the others at {world.master_addr}:"
            f"{world.master_port} (MASTER_ADDR, MASTER_PORT): {str(error).partition(chr(10))[0]}. Are all "
            f"{world.world_size} running, can that host be reached from here, and is the port free there?"
        ) from error


def _store(world: WorldInfo, timeout: timedelta) -> Store:
    host = f"[{world.master_addr}]" if ":" in world.master_addr else world.master_addr
    url = f"tcp://{host}:{world.master_port}"
    store = rendezvous(url, rank=world.rank, world_size=world.world_size, timeout=timeout)
    return PrefixStore(world.rendezvous_id, next(store)[0])  # the store may hold what an earlier attempt has left


def _backend(distributed: DistributedConfig) -> str:
    if distributed.device != "cpu" and torch.cuda.is_available() and dist.is_nccl_available():
        return "cpu:gloo,cuda:nccl"
    return "gloo"


def _choose_interface(world: WorldInfo) -> None:
    """Have gloo talk to the others through the interface that leads to them, rather than that of the host's name."""
    if os.environ.get("GLOO_SOCKET_IFNAME"):
        return
    address = own_address(world.master_addr) if world.several_hosts else "127.0.0.1"
    interface = interface_of(address) if address is not None else None
    if interface is not None:
        os.environ["GLOO_SOCKET_IFNAME"] = interface


def _choose_threads(group: WorkerGroup, world: WorldInfo, distributed: DistributedConfig) -> None:
    """Divide the host's cores among its workers, unless the user has said how many threads each is to have."""
    mine = available_cores()
    everyones = group.all_gather_object([platform.node(), mine])
    given = os.environ.get("OMP_NUM_THREADS")
    if distributed.threads is not None:
        torch.set_num_threads(distributed.threads)
    elif given is None or (given == "1" and world.started_by == "torchrun"):  # which sets that if nobody has
        here = [cores for host, cores in everyones if host == platform.node()]
        torch.set_num_threads(cores_per_worker(mine, here))


@contextmanager
def _stdout_of_main(rank: int) -> Iterator[None]:
    if rank == 0:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
        sys.stdout.flush()
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def available_cores() -> list[int]:
    """Return the cores that this process may run on, by number."""
    if sys.platform == "linux":
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cores_per_worker(mine: Sequence[int], on_host: Sequence[Sequence[int]]) -> int:
    """
    Return how many cores are left for one worker, at least 1.

    Args:
        mine: the cores it may run on.
        on_host: those of each worker of its host, itself included; whether the cores are divided among them already,
            as SLURM may do, or all may run on all.
    """
    return max(1, int(sum(1 / sum(core in each for each in on_host) for core in mine) + 1e-9))
