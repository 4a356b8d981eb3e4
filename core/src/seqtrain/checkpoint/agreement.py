"""What the workers of a run do together to save a checkpoint: each its own share, and all or none of it counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from seqtrain.checkpoint.atomic_io import NotWrittenError
from seqtrain.errors import CheckpointError


class Workers(Protocol):
    """What saving needs to know of the workers; a `WorkerGroup` is one."""

    @property
    def rank(self) -> int:
        """This worker's number; 0 is the main one."""

    @property
    def world_size(self) -> int:
        """How many there are."""

    def all_gather_object(self, value: Any) -> list[Any]:
        """Return every worker's value, which JSON can hold, in the order of their ranks."""


class Alone:
    """A worker that has no others."""

    rank = 0
    world_size = 1

    def all_gather_object(self, value: Any) -> list[Any]:
        """Return the value in a list."""
        return [value]


ALONE = Alone()


def together(workers: Workers, action: Callable[[], Any]) -> list[Any]:
    """
    Do something on every worker, and return what came out on each, which JSON can hold.

    Raises:
        NotWrittenError: it could not be written on one of them: the same on all, so that all try again or none does.
        CheckpointError: it failed otherwise on one of them.
        Exception: what failed here was no fault that we know.
    """
    failure = None
    try:
        said = {"result": action()}
    except Exception as error:  # noqa: BLE001 - raised below, once the others know
        failure, said = error, {"error": str(error), "may_retry": isinstance(error, NotWrittenError)}
    of_all = workers.all_gather_object(said)
    failed = [rank for rank, each in enumerate(of_all) if "error" in each]
    if not failed:
        return [each["result"] for each in of_all]
    decides = min(failed, key=lambda rank: of_all[rank]["may_retry"])  # the first that is beyond hope, if any is
    if failure is not None and decides == workers.rank:
        raise failure
    kind = NotWrittenError if of_all[decides]["may_retry"] else CheckpointError
    raise kind(f"Worker {decides}: {of_all[decides]['error']}") from failure


def by_main(workers: Workers, action: Callable[[], Any]) -> Any:
    """Do something on the main worker, and return what came out on all; see `together` for errors."""
    return together(workers, lambda: action() if workers.rank == 0 else None)[0]
