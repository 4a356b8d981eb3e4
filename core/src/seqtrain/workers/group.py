"""The workers of a run, as one of them sees the others. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

Thing = TypeVar("Thing")
Result = TypeVar("Result")


class WorkerGroup:
    """
    A worker that has no others; nothing is exchanged.

    Objects that go from worker to worker are what JSON can hold. All workers make the same calls in the same order.
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


ALONE = WorkerGroup()
"""A process without others."""
