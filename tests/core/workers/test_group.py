"""Work that workers divide: threads stand for processes here; tests/integration has real ones."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqtrain.batch import Batch
from seqtrain.config.schema import DistributedConfig
from seqtrain.data.plan import BatchLimits
from seqtrain.engine.engine import Engine
from seqtrain.evaluation import Evaluator
from seqtrain.workers.group import WorkerGroup
from seqtrain_testing.toy import ToyTask
from seqtrain_testing.toy_config import ToyTaskConfig


class Thread(WorkerGroup):
    """One of several threads that talk as workers do."""

    def __init__(self, rank: int, said: list[Any], barrier: threading.Barrier) -> None:
        self.rank, self.world_size = rank, len(said)
        self._said, self._barrier = said, barrier

    def all_gather_object(self, value: Any) -> list[Any]:
        self._said[self.rank] = json.dumps(value)
        self._barrier.wait(10)
        found = [json.loads(each) for each in self._said]
        self._barrier.wait(10)
        return found


def in_threads(count: int, work: Callable[[WorkerGroup], Any]) -> list[Any]:
    """Return what each of several workers returns."""
    said: list[Any] = [None] * count
    barrier = threading.Barrier(count)
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, [Thread(rank, said, barrier) for rank in range(count)]))


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("things", [0, 1, 2, 7])
def test_each_thing_is_computed_once_and_all_get_all_results(workers: int, things: int) -> None:
    """In the things' order, whether they are more or fewer than the workers."""
    computed = []

    def double(thing: int) -> int:
        computed.append(thing)
        return 2 * thing

    found = in_threads(workers, lambda group: group.map(double, iter(range(things))))

    assert found == [[2 * thing for thing in range(things)]] * workers
    assert sorted(computed) == list(range(things))


@pytest.mark.parametrize("workers", [2, 3, 5])
def test_workers_measure_as_one_does_and_make_their_own_batches_alone(workers: int) -> None:
    """A measure that only some batches have, and more workers than batches, change nothing."""
    one, made_by_one = evaluator(WorkerGroup())
    alone = one.measure("train", [nn.Identity()])

    pairs: dict[int, tuple[Evaluator, list[int]]] = {}

    def measure(group: WorkerGroup) -> dict[str, float]:
        pairs[group.rank] = evaluator(group)
        return pairs[group.rank][0].measure("train", [nn.Identity()])

    for found in in_threads(workers, measure):
        assert found == pytest.approx(alone, rel=1e-12)
    assert sorted(each for _, made in pairs.values() for each in made) == sorted(made_by_one)
    assert {"loss", "odd"} <= set(alone)


def evaluator(group: WorkerGroup) -> tuple[Evaluator, list[int]]:
    """Make what measures 7 examples, two in a batch, and a list of those that it has put into batches."""
    task = ToyTask(ToyTaskConfig(examples=7))
    dataset, made = task.dataset("train"), []
    collate = dataset.collate

    def noting(indices: Any) -> Batch:
        made.extend(indices.tolist())
        return collate(indices)

    dataset.collate = noting  # type: ignore[method-assign]
    engine = Engine(DistributedConfig(device="cpu"), group)
    return Evaluator(task, count_ids, engine, BatchLimits(max_tokens=None, max_sentences=2)), made


def count_ids(_model: nn.Module, sample: Batch, /) -> tuple[Tensor, int, dict[str, Tensor | float]]:
    """Log what a loss could be, and for some batches one sum more."""
    loss = torch.sin(sample.ids.double()).sum()
    more = {"odd": 1.0} if 3 in sample.ids else {}
    return loss, len(sample.ids), {"loss": loss, **more}
