"""What the workers of a run do together to save a checkpoint: each its own share, and all or none of it counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seqtrain.checkpoint.atomic_io import NotWrittenError
from seqtrain.errors import CheckpointError
from seqtrain.workers.group import WorkerGroup


def on_all_workers(group: WorkerGroup, action: Callable[[], Any]) -> list[Any]:
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
    of_all = group.all_gather_object(said)
    failed = [rank for rank, each in enumerate(of_all) if "error" in each]
    if not failed:
        return [each["result"] for each in of_all]
    decides = min(failed, key=lambda rank: of_all[rank]["may_retry"])  # the first that is beyond hope, if any is
    if failure is not None and decides == group.rank:
        raise failure
    kind = NotWrittenError if of_all[decides]["may_retry"] else CheckpointError
    raise kind(f"Worker {decides}: {of_all[decides]['error']}") from failure


def on_main_worker(group: WorkerGroup, action: Callable[[], Any]) -> Any:
    """Do something on the main worker, and return what came out on all; see `on_all_workers` for errors."""
    return on_all_workers(group, lambda: action() if group.rank == 0 else None)[0]
