"""One plan of an epoch for all workers of a host: the first of them makes it, and the others map its file."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import numpy as np

from seqtrain.data.indices import Indices
from seqtrain.data.plan import CHUNK, EpochPlan
from seqtrain.errors import TrainingError
from seqtrain.workers.group import WorkerGroup


def plan_together(make: Callable[[], EpochPlan], group: WorkerGroup) -> EpochPlan:
    """
    Plan once on each host, and see to it that all hosts have planned the same.

    Nothing is left behind, however the run ends: the file has no name, so the system drops it with the last process
    that has it open. A worker that cannot get at it, as it does not see the first one in /proc, plans for itself.

    Args:
        make: plans; called by the first worker of each host.
        group: the workers; all of them must call this.

    Raises:
        TrainingError: the plans differ.
        DataError: there is no room for the file.
    """
    if group.world_size == 1:
        return make()
    with tempfile.TemporaryFile(prefix="seqtrain-plan-") as file:  # the first worker's is used, and mapped by all
        shared = _SharedPlan(**group.node_local_first(lambda: asdict(_write(make(), file))))
        plan = shared.open(file) or make()
        _refuse_differing(group.all_gather_object(plan.digest))  # once all are here, all have opened it
    return plan


@dataclass(frozen=True, kw_only=True)
class _SharedPlan:
    """
    Where on a host a plan lies, as one worker tells another.

    Args:
        process, descriptor: which process has the file open, and as what.
        identity: device and inode of the file.
        sizes: how many numbers order, batches and step_starts are; they lie in the file one after the other.
        digest: that of the plan.
    """

    process: int
    descriptor: int
    identity: list[int]
    sizes: list[int]
    digest: str

    def open(self, own_file: IO[bytes]) -> EpochPlan | None:
        """Map the plan, if its file is this process's own or can be reached from here."""
        if _identity(own_file) == self.identity:
            return self._map(own_file)
        try:
            with Path(f"/proc/{self.process}/fd/{self.descriptor}").open("rb") as file:
                # In a container of its own this process would see another one under that number, or none.
                return self._map(file) if _identity(file) == self.identity else None
        except OSError:
            return None

    def _map(self, file: IO[bytes]) -> EpochPlan:
        """Map the plan; the map outlives the file object."""
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        order, batches, step_starts = np.split(np.frombuffer(mapped, np.int64), np.cumsum(self.sizes)[:-1])
        return EpochPlan(Indices(order, mapped), batches.reshape(-1, 2), step_starts, self.digest)


def _write(plan: EpochPlan, file: IO[bytes]) -> _SharedPlan:
    """Write a plan to an empty file, part by part, and say where it lies."""
    arrays = (plan.order.values, plan.batches.reshape(-1), plan.step_starts)
    written = Indices.in_file(file, sum(map(len, arrays)))
    place = 0
    for array in arrays:
        for start in range(0, len(array), CHUNK):
            some = array[start : start + CHUNK]
            written.values[place : place + len(some)] = some
            place += len(some)
            written.release()
            plan.order.release()
    return _SharedPlan(
        process=os.getpid(),
        descriptor=file.fileno(),
        identity=_identity(file),
        sizes=[len(array) for array in arrays],
        digest=plan.digest,
    )


def _identity(file: IO[bytes]) -> list[int]:
    status = os.fstat(file.fileno())
    return [status.st_dev, status.st_ino]


def _refuse_differing(digests: Sequence[str]) -> None:
    if len(set(digests)) == 1:
        return
    of_workers = ", ".join(f"worker {rank}: {digest}" for rank, digest in enumerate(digests))
    raise TrainingError(
        f"The workers have planned different epochs ({of_workers}), so examples would be lost or seen twice. "
        "Let all hosts have the same files, and the same versions of seqtrain and numpy."
    )
