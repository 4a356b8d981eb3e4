"""One plan for the workers of a host."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch.distributed as dist

from seqtrain.data.plan import BatchLimits, EpochPlan, plan_epoch
from seqtrain.data.shared_plan import plan_together
from seqtrain.errors import DataError, TrainingError
from seqtrain.protocols import DatasetPart
from seqtrain.workers.group import WorkerGroup
from seqtrain.workers.process_group import ProcessGroup

LIMITS = BatchLimits(max_tokens=60, max_sentences=None)


class Numbers:
    """Examples of any lengths."""

    parts = (DatasetPart(0, 3000),)

    def lengths(self, start: int, stop: int) -> np.ndarray:
        return 1 + (np.arange(start, stop) * 7919 % 31)[:, None]


class Planner:
    """Counts how often it plans."""

    def __init__(self, epoch: int = 1) -> None:
        self.epoch, self.times = epoch, 0

    def __call__(self) -> EpochPlan:
        self.times += 1
        return plan_epoch(Numbers(), LIMITS, seed=1, epoch=self.epoch, micro_batches_per_step=2)


def everything(plan: EpochPlan) -> list[Any]:
    batches = [plan.examples(each).tolist() for each in range(plan.num_micro_batches)]
    return [batches, plan.step_starts.tolist(), plan.digest]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def in_workers(work: Callable[[WorkerGroup], Any], local_ranks: list[int], folder: Path) -> list[Any]:
    """Have processes that form a group do something, and return what each returned."""
    children = []
    for rank, local_rank in enumerate(local_ranks):
        if not (child := os.fork()):
            signal.alarm(60)  # as waiting for one that has failed has no end
            try:
                store = dist.FileStore(str(folder / "store"), len(local_ranks))
                dist.init_process_group("gloo", store=store, rank=rank, world_size=len(local_ranks))
                group = ProcessGroup(store, local_rank=local_rank, local_world_size=2)
                (folder / f"{rank}.json").write_text(json.dumps(work(group)))
                group.all_gather_object(None)  # nobody leaves while others still talk to it
            except BaseException:  # noqa: BLE001 - the parent sees that the file is missing
                traceback.print_exc()
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(len(local_ranks))]


@pytest.mark.runs
def test_the_first_worker_of_a_host_plans_and_the_others_map_its_file(tmp_path: Path, temporary: Path) -> None:
    """Three on one host, one on another: two plan, all have the same epoch, and the file never has a name."""

    def work(group: WorkerGroup) -> list[Any]:
        make = Planner()
        plan = plan_together(make, group)
        again = plan_together(Planner(epoch=2), group)
        mapped = [
            line.split()[4] for line in Path("/proc/self/maps").read_text().splitlines() if str(temporary) in line
        ]
        return [make.times, everything(plan), everything(again), mapped, list(temporary.iterdir())]

    times, plans, others, mapped, left = zip(*in_workers(work, [0, 1, 2, 0], tmp_path), strict=True)

    assert [1, 0, 0, 1] == list(times)
    assert [everything(Planner()())] * 4 == list(plans)
    assert [everything(Planner(epoch=2)())] * 4 == list(others)
    assert mapped[0] == mapped[1] == mapped[2] != mapped[3]
    assert [2] * 4 == [len(each) for each in mapped]
    assert [[]] * 4 == list(left)


class Second(WorkerGroup):
    """The second worker of a host, to which the first one says something."""

    rank, world_size, local_rank, local_world_size = 1, 2, 1, 2

    def __init__(self, said: Any, digest: str) -> None:
        self.said, self.digest = said, digest

    def node_local_first(self, function: Callable[[], Any]) -> Any:
        return self.said

    def all_gather_object(self, value: Any) -> list[Any]:
        return [self.digest, value]


class First(Second):
    """The first worker, of which what it says is kept, and whether its file can be had meanwhile."""

    def node_local_first(self, function: Callable[[], Any]) -> Any:
        self.said = function()
        return self.said

    def all_gather_object(self, value: Any) -> list[Any]:
        make = Planner()
        self.reached = [
            everything(plan_together(make, Second({**self.said, **changed}, value)))
            for changed in ({}, {"process": 1 << 30}, {"descriptor": 0}, {"identity": [0, 0]})
        ]
        self.made = make.times
        return [value, value]


def test_a_worker_that_cannot_reach_the_file_plans_for_itself() -> None:
    """No such process or descriptor, or, in a container of its own, another file under that number."""
    first = First(None, "")
    plan = plan_together(Planner(), first)

    assert [everything(plan)] * 4 == first.reached
    assert first.made == 3


def test_plans_that_differ_are_refused() -> None:
    """The message names both, and what to look at."""
    first = First(None, "")
    first.all_gather_object = lambda digest: [digest, "other"]  # type: ignore[method-assign]

    with pytest.raises(TrainingError, match=rf"worker 0: {Planner()().digest}, worker 1: other.*versions of .*numpy"):
        plan_together(Planner(), first)


@pytest.mark.runs
@pytest.mark.fault("F1")
def test_a_killed_worker_leaves_no_file(temporary: Path) -> None:
    """Killed when all has been written and nobody has opened it yet."""
    if not (child := os.fork()):
        group = First(None, "")
        group.all_gather_object = lambda _: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment,return-value]
        plan_together(Planner(), group)
        os._exit(0)
    _, status = os.waitpid(child, 0)

    assert os.WTERMSIG(status) == signal.SIGKILL
    assert list(temporary.iterdir()) == []


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    """With the folder, and how to choose another."""

    def is_full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", is_full)

    with pytest.raises(DataError, match=rf"{temporary}: No space left on device.*TMPDIR"):
        plan_together(Planner(), First(None, ""))
