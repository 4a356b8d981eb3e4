"""The workers of a job as processes of `torch.distributed`: joining them, talking to them, and leaving them again."""

from __future__ import annotations

import copy
import json
import os
import platform
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from seqtrain.config.schema import DistributedConfig
from seqtrain.errors import OtherWorkerError, TrainingError
from seqtrain.workers.addresses import interface_of, own_address
from seqtrain.workers.group import Result, WorkerGroup
from seqtrain.workers.report import WorkerReport, follow_agent
from seqtrain.workers.world import WorldInfo

_LONG = timedelta(days=30)  # a worker that has died is known at once, however long the others would wait
_SECONDS = 0.02  # between two looks for what another worker says
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


class ProcessGroup(WorkerGroup):
    """
    Several processes, joined by `torch.distributed`.

    Args:
        store: what the processes share; the default group is made already.
        local_rank, local_world_size: see `WorkerGroup`.
    """

    def __init__(self, store: Store, *, local_rank: int, local_world_size: int) -> None:
        self.rank, self.world_size = dist.get_rank(), dist.get_world_size()
        self.local_rank, self.local_world_size = local_rank, local_world_size
        self._store = PrefixStore("seqtrain", store)
        self._said = 0
        self._processes: dist.ProcessGroup | None = None  # the default group
        self._waiting: ProcessGroup | None = None
        turns = self.all_gather([0 if self.is_main else 1 if local_rank == 0 else 2])
        self._turns = [turn for [turn] in turns]
        hosts = self.all_gather_object([socket.gethostname(), local_rank])
        firsts = [rank for rank in range(self.rank + 1) if hosts[rank] == [socket.gethostname(), 0]]
        self._first_on_host = firsts[-1] if firsts else self.rank  # the nearest: hosts may have the same name

    def all_gather_object(self, value: Any) -> list[Any]:
        """Return every worker's value, in the order of their ranks."""
        text = json.dumps(value).encode()
        sizes = [int(size) for [size] in self.all_gather([len(text)])]
        padded = torch.frombuffer(bytearray(text.ljust(max(sizes))), dtype=torch.uint8)
        texts = [torch.empty_like(padded) for _ in sizes]
        self._all_gather(texts, padded)
        return [json.loads(each.numpy().tobytes()) for each in texts]

    def all_gather(self, numbers: Sequence[float]) -> list[list[float]]:
        """Return every worker's numbers, equally many each; quicker than `all_gather_object`."""
        of_all = self.all_gather_tensor(torch.tensor(numbers, dtype=torch.float64))
        return of_all.numpy().tolist()  # type: ignore[no-any-return]

    def all_gather_tensor(self, tensor: Tensor) -> Tensor:
        """Return every worker's tensor, of one shape, stacked along a new first dimension, on the tensor's device."""
        of_all = [torch.empty_like(tensor) for _ in range(self.world_size)]
        self._all_gather(of_all, tensor)
        return torch.stack(of_all)

    def _all_gather(self, of_all: list[Tensor], mine: Tensor) -> None:
        try:
            dist.all_gather(of_all, mine, group=self._processes)
        except RuntimeError as error:
            raise OtherWorkerError(
                "The connection to the other workers is lost: one of them has been killed, hangs, or is out of reach "
                f"({str(error).splitlines()[0]})."
            ) from error

    def broadcast(self, value: Any = None) -> Any:
        """Return the main worker's value, for which the others wait as long as it takes."""
        self._said += 1
        key = f"main/{self._said}"
        if self.is_main:
            self._store.set(key, json.dumps(value))
        return json.loads(self._wait_for(key))

    def by_main(self, function: Callable[[], Result]) -> Result:
        """Return what a function returns on the main worker, for which the others wait as long as it takes."""
        value = function() if self.is_main else None
        self.broadcast("ready")  # the others wait here, where there is no limit
        return self.all_gather_object(value)[0]  # type: ignore[no-any-return]

    def new_group(self, timeout: timedelta | None = None) -> ProcessGroup:
        """Return the same workers for a thread, which may use it whatever is said here meanwhile."""
        other = copy.copy(self)
        other._processes = dist.new_group(backend="gloo", timeout=timeout)  # noqa: SLF001 - it is of this class
        return other

    def _without_timeout(self) -> ProcessGroup:
        """Return the same workers, who wait for each other's share of a work as long as it takes."""
        if self._waiting is None:
            self._waiting = self.new_group(_LONG)
        return self._waiting

    def node_local_first(self, function: Callable[[], Result]) -> Result:
        """Return what a function returns on the first worker of this host."""
        self._said += 1
        key = f"host/{self._said}/{self._first_on_host}"
        if self.rank == self._first_on_host:
            self._store.set(key, json.dumps(function()))
        return json.loads(self._wait_for(key))  # type: ignore[no-any-return]

    @contextmanager
    def main_process_first(self) -> Iterator[None]:
        """Let the main worker go through a block first, then one on each other host, then the rest."""
        self._said += 1
        for rank, turn in enumerate(self._turns):
            if turn < self._turns[self.rank]:
                self._wait_for(f"turn/{self._said}/{rank}")
        yield
        self._store.set(f"turn/{self._said}/{self.rank}", "over")

    def _wait_for(self, key: str) -> bytes:
        """Return what another worker has set, without a limit: preparing a large corpus takes its time."""
        while not self._store.check([key]):
            time.sleep(_SECONDS)  # rather than wait inside torch, where no signal is heard
        return self._store.get(key)
