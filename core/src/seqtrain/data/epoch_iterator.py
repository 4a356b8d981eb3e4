"""The batches of an epoch, step by step, from any position."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import numpy as np

from seqtrain.batch import Batch, Step
from seqtrain.config.schema import DataConfig
from seqtrain.data.plan import BatchLimits, EpochPlan, plan_epoch
from seqtrain.data.shared_plan import plan_together
from seqtrain.errors import ConfigError, DataError
from seqtrain.protocols import Dataset, VariesByEpoch
from seqtrain.workers.group import WorkerGroup


class EpochIterator:
    """
    Hands out a dataset's batches, grouped into steps.

    The order is a function of (seed, epoch, data): going on at a position takes no replay.

    Args:
        dataset: the examples; where it varies by epoch, what these are drawn from.
        limits: how large a batch may be.
        micro_batches_per_step: batches that make a step, over all workers.
        seed: seed of the order.
        prefetch: batches made ahead by a thread; 0 turns it off.
        parts: of the data, which epochs go over in turn; data that varies does so once all were gone over.
        group: the workers that share each step.
    """

    def __init__(
        self,
        dataset: Dataset,
        limits: BatchLimits,
        *,
        micro_batches_per_step: int = 1,
        seed: int = 1,
        prefetch: int = 0,
        parts: int = 1,
        group: WorkerGroup | None = None,
    ) -> None:
        self.dataset = dataset
        """The examples of the epoch planned last."""
        self._whole = dataset
        self._limits = limits
        self._micro_batches_per_step = micro_batches_per_step
        self._seed = seed
        self._prefetch = prefetch
        self._parts = parts
        self._group = group or WorkerGroup()
        self._passing = 0  # which time all of the data is gone over, from 1, in the epoch planned last
        self._planned: tuple[int, EpochPlan] | None = None

    def state_dict(self) -> dict[str, str]:
        """Return what the order depends on besides the configuration: the data."""
        return {"fingerprint": self._whole.fingerprint}

    def load_state_dict(self, state: dict[str, str]) -> None:
        """
        Check that a position in this order means what it meant when it was saved.

        Raises:
            DataError: the training data has changed since.
        """
        if state["fingerprint"] != self._whole.fingerprint:
            raise DataError(
                "The training data is not what it was when this run was started, so the run cannot go on where it "
                "stopped. Put the old files back, or start over with --fresh (the old run is kept aside)."
            )

    def plan(self, epoch: int) -> EpochPlan:
        """Return the plan of an epoch; the last one asked for is kept."""
        if self._planned is None or self._planned[0] != epoch:
            self._planned = None  # which may be large
            self._vary((epoch - 1) // self._parts + 1)
            self._planned = (epoch, plan_together(partial(self._plan, epoch), self._group))
        return self._planned[1]

    def _vary(self, passing: int) -> None:
        """Have the examples be those of the first, second, ... time that all of the data is gone over."""
        if isinstance(self._whole, VariesByEpoch) and passing != self._passing:
            self.dataset = self._whole.at_epoch(passing, seed=self._seed, max_tokens=self._limits.max_tokens)
        self._passing = passing

    def _plan(self, epoch: int) -> EpochPlan:
        return plan_epoch(
            self.dataset,
            self._limits,
            seed=self._seed,
            epoch=epoch,
            parts=self._parts,
            micro_batches_per_step=self._micro_batches_per_step,
        )

    def steps(self, epoch: int, cursor: int = 0) -> Iterator[Step]:
        """
        Yield this worker's micro-batches of each step of an epoch.

        Args:
            epoch: from 1.
            cursor: micro-batches of the epoch already used; a step's first one, or their number.
        """
        plan = self.plan(epoch)
        first = int(np.searchsorted(plan.step_starts, cursor))
        assert plan.step_starts[first] == cursor, "the position lies within a step"
        made = (
            self._make(plan, start, stop)
            for start, stop in zip(
                plan.step_starts[first:-1].tolist(), plan.step_starts[first + 1 :].tolist(), strict=True
            )
        )
        with closing(prefetch(made, self._prefetch)) as steps:  # type: ignore[type-var]
            yield from steps

    def _make(self, plan: EpochPlan, start: int, stop: int) -> Step:
        """Put together this worker's part of the step that goes from one micro-batch to another."""
        size, group = stop - start, self._group
        rounds = -(-size // group.world_size)
        mine = [index if index < size else 0 for index in group.share(rounds * group.world_size)]
        return Step([self.dataset.collate(plan.examples(start + index)) for index in mine], size)


def batch_limits(config: DataConfig) -> BatchLimits:
    """
    Return how large a batch may be.

    Raises:
        ConfigError: nothing limits it.
    """
    if config.max_tokens is None and config.max_sentences is None:
        raise ConfigError("Set data.max_tokens or data.max_sentences: without either, all data would be one batch.")
    return BatchLimits(max_tokens=config.max_tokens, max_sentences=config.max_sentences)


def iter_batches(
    dataset: Dataset, limits: BatchLimits, share: Callable[[int], Iterable[int]] = range
) -> Iterator[Batch]:
    """
    Yield every example of a dataset once, in batches by ascending length.

    Args:
        dataset: the examples.
        limits: how large a batch may be.
        share: given their number, returns the indices of the batches to make; all of them by default.
    """
    plan = plan_epoch(dataset, limits, seed=0, epoch=0, shuffle=False)
    for micro_batch in share(plan.num_micro_batches):
        yield dataset.collate(plan.examples(micro_batch))


T = TypeVar("T")


def prefetch(items: Iterable[T], depth: int) -> Iterator[T]:
    """
    Yield the items in order, with up to `depth` of them made ahead by one thread.

    An exception in the thread is raised here, at the item it belongs to. When the consumer leaves early, the thread
    ends with it. With depth 0 there is no thread.
    """
    if depth == 0:
        yield from items
        return
    ready: queue.Queue[_Item[T] | _End] = queue.Queue(depth)
    left = threading.Event()
    thread = threading.Thread(target=_produce, args=(items, ready, left), name="seqtrain-prefetch", daemon=True)
    thread.start()
    try:
        while isinstance(made := ready.get(), _Item):
            yield made.value
        if made.error is not None:
            raise made.error
    finally:
        left.set()
        thread.join()


@dataclass(frozen=True)
class _Item(Generic[T]):
    value: T


@dataclass(frozen=True)
class _End:
    error: BaseException | None = None


def _produce(items: Iterable[T], ready: queue.Queue[_Item[T] | _End], left: threading.Event) -> None:
    """Put the items and then an end, until the consumer has left."""
    end = _End()
    try:
        for item in items:
            if not _put(_Item(item), ready, left):
                return
    except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the consumer
        end = _End(error)
    _put(end, ready, left)


def _put(made: _Item[T] | _End, ready: queue.Queue[_Item[T] | _End], left: threading.Event) -> bool:
    while not left.is_set():
        try:
            ready.put(made, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False
