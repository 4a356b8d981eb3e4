"""The workers of a run, as one of them sees the others."""

from __future__ import annotations

import copy
import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store

from seqtrain.errors import OtherWorkerError

Thing = TypeVar("Thing")
Result = TypeVar("Result")

_LONG = timedelta(days=30)  # a worker that has died is known at once, however long the others would wait
_SECONDS = 0.02  # between two looks for what another worker says


class WorkerGroup:
    """
    A worker that has no others: everything it is told is what it said itself.

    Values that go from worker to worker are what JSON can hold. All workers must make the same calls in the same order.
    """

    rank = 0
    """This worker's number; worker 0 writes files and messages."""
    world_size = 1
    """How many workers there are, on all hosts."""
    local_rank = 0
    """This worker's number on its host."""
    local_world_size = 1
    """How many workers are on this host."""

    @property
    def is_main(self) -> bool:
        """Whether this worker writes files and messages."""
        return self.rank == 0

    def all_gather_object(self, value: Any) -> list[Any]:
        """Return every worker's value, in the order of their ranks."""
        return [value]

    def all_gather(self, numbers: Sequence[float]) -> list[list[float]]:
        """Return every worker's numbers, equally many each; quicker than `all_gather_object`."""
        return [list(numbers)]

    def all_gather_tensor(self, tensor: Tensor) -> Tensor:
        """Return every worker's tensor, of one shape, stacked along a new first dimension, on the tensor's device."""
        return tensor[None]

    def sum(self, number: float) -> float:
        """Return the sum of every worker's number."""
        return sum(each for [each] in self.all_gather([number]))

    def broadcast(self, value: Any = None) -> Any:
        """Return the main worker's value, for which the others wait as long as it takes."""
        return value

    @contextmanager
    def main_process_first(self) -> Iterator[None]:
        """
        Let the main worker go through a block first, then one on each other host, then the rest.

        What the first makes in a shared folder is there for the next.
        """
        yield

    def share(self, count: int) -> range:
        """Return which of `count` things are this worker's."""
        return range(self.rank, count, self.world_size)

    def map(self, function: Callable[[Thing], Result], things: Iterable[Thing]) -> list[Result]:
        """
        Return `function(thing)` for each thing, in their order: one worker computes it, and all return it.

        Args:
            function: returns what JSON can hold; it makes no call that other workers must make as well.
            things: the same ones on all workers; the nearer two are, the more alike the time they take should be.
        """
        mine = [function(thing) for index, thing in enumerate(things) if index % self.world_size == self.rank]
        shares = self._without_timeout().all_gather_object(mine)
        return [shares[index % self.world_size][index // self.world_size] for index in range(sum(map(len, shares)))]

    def by_main(self, function: Callable[[], Result]) -> Result:
        """
        Return what a function returns on the main worker, for which the others wait as long as it takes.

        What is large, or comes often, is better said so than by `broadcast`, which keeps all that was said.
        """
        return function()

    def new_group(self) -> WorkerGroup:
        """Return the same workers for a thread, which may use it whatever is said here meanwhile."""
        return self

    def _without_timeout(self) -> WorkerGroup:
        """Return the same workers, who wait for each other as long as it takes."""
        return self

    def node_local_first(self, function: Callable[[], Result]) -> Result:
        """Return what a function returns on the first worker of this host, for which the others there wait."""
        return function()


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
