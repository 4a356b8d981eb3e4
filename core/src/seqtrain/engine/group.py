"""The workers of a run, as one of them sees the others."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist

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

    def gather(self, value: Any) -> list[Any]:
        """Return every worker's value, in the order of their ranks."""
        return [value]

    def gather_numbers(self, numbers: Sequence[float]) -> list[list[float]]:
        """Return every worker's numbers, equally many each; quicker than `gather`."""
        return [list(numbers)]

    def from_main(self, value: Any = None) -> Any:
        """Return the main worker's value, for which the others wait as long as it takes."""
        return value

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """
        Let the main worker go through a block first, then one on each other host, then the rest.

        What the first makes in a shared folder is there for the next.
        """
        yield

    def share(self, count: int) -> range:
        """Return which of `count` things are this worker's."""
        return range(self.rank, count, self.world_size)


class ProcessGroup(WorkerGroup):
    """
    Several processes, joined by `torch.distributed`.

    Args:
        store: what the processes share; the default group is made already.
        local_rank, local_world_size: see `WorkerGroup`.
    """

    def __init__(self, store: dist.Store, *, local_rank: int, local_world_size: int) -> None:
        self.rank, self.world_size = dist.get_rank(), dist.get_world_size()
        self.local_rank, self.local_world_size = local_rank, local_world_size
        self._store = dist.PrefixStore("seqtrain", store)
        self._said = 0
        turns = self.gather_numbers([0 if self.is_main else 1 if local_rank == 0 else 2])
        self._turns = [turn for [turn] in turns]

    def gather(self, value: Any) -> list[Any]:
        """Return every worker's value, in the order of their ranks."""
        text = json.dumps(value).encode()
        sizes = [int(size) for [size] in self.gather_numbers([len(text)])]
        padded = torch.frombuffer(bytearray(text.ljust(max(sizes))), dtype=torch.uint8)
        texts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(texts, padded)
        return [json.loads(each.numpy().tobytes()) for each in texts]

    def gather_numbers(self, numbers: Sequence[float]) -> list[list[float]]:
        """Return every worker's numbers, equally many each; quicker than `gather`."""
        mine = torch.tensor(numbers, dtype=torch.float64)
        of_all = [torch.empty_like(mine) for _ in range(self.world_size)]
        dist.all_gather(of_all, mine)
        return [each.tolist() for each in of_all]

    def from_main(self, value: Any = None) -> Any:
        """Return the main worker's value, for which the others wait as long as it takes."""
        self._said += 1
        key = f"main/{self._said}"
        if self.is_main:
            self._store.set(key, json.dumps(value))
        return json.loads(self._wait_for(key))

    @contextmanager
    def in_turn(self) -> Iterator[None]:
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
