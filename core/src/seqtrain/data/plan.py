"""
Which examples go into which batch, and in which order: a function of (seed, epoch, data) alone.

Examples are sorted by length with a counting sort over chunks, and batches are cut from the sorted order run of equal
length by run, not example by example. Memory is a matter of chunks, runs and batches: the order itself lies in a
temporary file once the corpus is large.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqtrain.data.indices import Indices
from seqtrain.errors import DataError
from seqtrain.protocols import Dataset, DatasetPart

IntArray = NDArray[np.int64]

CHUNK = 1 << 18  # examples looked at together
SIDE = 1 << 20  # lengths above are one sorting key as far as the shorter side goes
HASHED_BATCHES = 256  # at a time
DIGITS = 16  # of a plan's hash


@dataclass(frozen=True, kw_only=True)
class BatchLimits:
    """
    How large a batch may be.

    Args:
        max_tokens: padded tokens of either side.
        max_sentences: examples.
    """

    max_tokens: int | None
    max_sentences: int | None

    def capacity(self, length: int) -> int:
        """Return how many examples fit whose longest is `length` tokens long; 0 if not even one does."""
        fit = [limit for limit in (self.max_sentences,) if limit is not None]
        if self.max_tokens is not None:
            fit.append(self.max_tokens // max(length, 1))
        return min(fit) if fit else np.iinfo(np.int64).max


@dataclass(frozen=True)
class EpochPlan:
    """
    The micro-batches of an epoch, in order.

    Args:
        order: the N examples, sorted by length.
        batches: (M, 2) each micro-batch as [start, stop) in `order`.
        step_starts: (steps + 1,) which micro-batches belong to a step: those from `step_starts[i]` on.
        known_digest: the digest, where somebody has computed it already.
    """

    order: Indices
    batches: IntArray
    step_starts: IntArray
    known_digest: str | None = None

    @property
    def num_micro_batches(self) -> int:
        """Micro-batches in the epoch."""
        return len(self.batches)

    @property
    def num_steps(self) -> int:
        """Optimizer steps in the epoch."""
        return len(self.step_starts) - 1

    def examples(self, micro_batch: int) -> IntArray:
        """Return the indices of the examples of a micro-batch."""
        start, stop = self.batches[micro_batch]
        chosen: IntArray = self.order.values[start:stop].copy()
        self.order.release()
        return chosen

    @cached_property
    def digest(self) -> str:
        """A short hash of which examples are in which batch of which step, and in which order; on any machine."""
        if self.known_digest is not None:
            return self.known_digest
        sizes = (np.diff(self.step_starts), np.diff(self.batches, axis=1))
        content = hashlib.sha256(b"".join(each.astype("<i8").tobytes() for each in sizes))
        for first in range(0, self.num_micro_batches, HASHED_BATCHES):
            some = [self.order.values[start:stop] for start, stop in self.batches[first : first + HASHED_BATCHES]]
            content.update(np.concatenate(some).astype("<i8").tobytes())
            self.order.release()
        return content.hexdigest()[:DIGITS]


def plan_epoch(
    dataset: Dataset,
    limits: BatchLimits,
    *,
    seed: int,
    epoch: int,
    parts: int = 1,
    micro_batches_per_step: int = 1,
    shuffle: bool = True,
) -> EpochPlan:
    """
    Plan an epoch.

    The micro-batches of a step are neighbours in length, so that workers that share a step wait little for each
    other. Examples of equal lengths change places from epoch to epoch, and so do the steps.

    Args:
        dataset: what to plan.
        limits: how large a batch may be.
        seed: seed of the order.
        epoch: from 1; another epoch, another order.
        parts: of the data, which epochs go over in turn: the first over the first, and so on, then again.
        micro_batches_per_step: how many make a step; the longest step may have fewer.
        shuffle: False keeps steps in order of length, and examples of equal length in that of the data.

    Raises:
        DataError: there is no example, or one alone is over the limits.
    """
    spans = _spans(dataset.parts, (epoch - 1) % parts, parts)
    # Counting and sorting both walk through the examples; equal generators make them meet the same ones.
    keys, counts = _count_lengths(dataset, spans, np.random.default_rng([seed, epoch]))
    if not len(keys):
        raise DataError(_no_example(dataset, parts))
    rng = np.random.default_rng([seed, epoch])
    order = _sort_by_length(dataset, spans, (keys, counts), rng)
    if shuffle:
        _shuffle_equals(order, counts, rng)
    batches = _cut_batches(keys // SIDE, counts, limits, dataset, order)
    num_steps = -(-len(batches) // micro_batches_per_step)
    edges = np.minimum(np.arange(num_steps + 1) * micro_batches_per_step, len(batches))
    steps = rng.permutation(num_steps) if shuffle else np.arange(num_steps)
    sizes = np.diff(edges)[steps]
    step_starts = np.concatenate(([0], np.cumsum(sizes)))
    places = np.repeat(edges[steps] - step_starts[:-1], sizes) + np.arange(len(batches))
    return EpochPlan(order, batches[places], step_starts)


def _spans(parts: Sequence[DatasetPart], number: int, count: int) -> list[_Span]:
    """Cut each part of a dataset into `count` spans, and return number `number`, from 0, of each."""
    sizes = [part.stop - part.start for part in parts]
    return [
        _Span(part, part.start + size * number // count, part.start + size * (number + 1) // count)
        for part, size in zip(parts, sizes, strict=True)
    ]


class _Span(NamedTuple):
    """The examples [start, stop) of a part."""

    part: DatasetPart
    start: int
    stop: int

    def iter_indices(self, rng: np.random.Generator) -> Iterator[tuple[int, int, IntArray | None]]:
        """
        Yield the epoch's examples as chunks (start, stop, chosen): all of a chunk, or the chosen offsets in it.

        With a weight of 2.5 they come twice whole, and then half of them, drawn evenly from all chunks.
        """
        copies, fraction = divmod(self.part.weight, 1.0)
        chunks = [(start, min(start + CHUNK, self.stop)) for start in range(self.start, self.stop, CHUNK)]
        for _ in range(int(copies)):
            yield from ((start, stop, None) for start, stop in chunks)
        if fraction:
            origin = self.part.start
            for start, stop in chunks:
                # Rounding the running total of the part, not each chunk, so that the sum is right to one example.
                wanted = round((stop - origin) * fraction) - round((start - origin) * fraction)
                yield start, stop, np.sort(rng.permutation(stop - start)[:wanted])


def _iter_keys(
    dataset: Dataset, spans: Sequence[_Span], rng: np.random.Generator
) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield chunks of (example indices, sorting keys): by the longer side first, then by the shorter."""
    for start, stop, chosen in chain.from_iterable(each.iter_indices(rng) for each in spans):
        lengths = dataset.lengths(start, stop)
        if chosen is not None:
            lengths = lengths[chosen]
        keys = lengths.max(axis=1) * SIDE + np.minimum(lengths.min(axis=1), SIDE - 1)
        yield (np.arange(start, stop) if chosen is None else start + chosen), keys


def _count_lengths(dataset: Dataset, spans: Sequence[_Span], rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Return the sorting keys that occur, ascending, and how often each does."""
    nothing = (np.empty(0, np.int64), np.empty(0, np.int64))
    found = [nothing, *(np.unique(keys, return_counts=True) for _, keys in _iter_keys(dataset, spans, rng))]
    keys, which = np.unique(np.concatenate([keys for keys, _ in found]), return_inverse=True)
    counts = np.zeros(len(keys), np.int64)
    np.add.at(counts, which, np.concatenate([count for _, count in found]))
    return keys, counts


def _sort_by_length(
    dataset: Dataset, spans: Sequence[_Span], counted: tuple[IntArray, IntArray], rng: np.random.Generator
) -> Indices:
    """Return example indices by ascending key, given the keys and their counts; a stable counting sort, by chunks."""
    keys, counts = counted
    order = Indices.room_for(int(counts.sum()))
    free = np.cumsum(counts) - counts  # the next free place of each key
    for indices, chunk_keys in _iter_keys(dataset, spans, rng):
        cells = np.searchsorted(keys, chunk_keys)
        by_cell = np.argsort(cells, kind="stable")
        sizes = np.bincount(cells, minlength=len(keys))
        firsts = np.cumsum(sizes) - sizes
        cells = cells[by_cell]
        order.values[free[cells] + np.arange(len(cells)) - firsts[cells]] = indices[by_cell]
        order.release()
        free += sizes
    return order


def _shuffle_equals(order: Indices, counts: IntArray, rng: np.random.Generator) -> None:
    """Shuffle, in place, examples whose keys are equal."""
    stops = np.cumsum(counts)
    for start, stop in zip(stops - counts, stops, strict=True):
        if stop - start > 1:
            order.values[start:stop] = rng.permutation(order.values[start:stop])
            order.release()


def _cut_batches(
    lengths: IntArray, counts: IntArray, limits: BatchLimits, dataset: Dataset, order: Indices
) -> IntArray:
    """Cut the sorted order into batches as full as the limits allow, a run of equal length at a time."""
    stops: list[IntArray] = []
    start = place = 0
    for length, stop in _runs(lengths, counts):
        capacity = limits.capacity(length)
        if capacity == 0:
            raise DataError(_over_budget(dataset, int(order.values[place]), length, limits))
        if place > start and place - start >= capacity:  # full already, at this length
            stops.append(np.array([place]))
            start = place
        full = (stop - start) // capacity
        stops.append(start + capacity * np.arange(1, full + 1))
        start, place = start + capacity * full, stop
    if start < place:
        stops.append(np.array([place]))
    edges = np.concatenate([[0], *stops])
    return np.stack([edges[:-1], edges[1:]], axis=1)


def _runs(lengths: IntArray, counts: IntArray) -> Iterator[tuple[int, int]]:
    """Yield each length that occurs, ascending, with the place in the order where it ends."""
    ends = np.flatnonzero(np.diff(lengths, append=-1))
    yield from zip(lengths[ends].tolist(), np.cumsum(counts)[ends].tolist(), strict=True)


def _no_example(dataset: Dataset, parts: int) -> str:
    if not any(part.stop > part.start for part in dataset.parts):
        return "There is no example: the data is empty after the policies for lines were applied."
    size = sum(part.stop - part.start for part in dataset.parts)
    weights = ", ".join(f"{part.weight:g}" for part in dataset.parts)
    return (
        f"An epoch has no example: the data has {size}, with weights of {weights}, and an epoch goes over "
        f"1/{parts} of it. Lower data.epoch_parts={parts}, or raise the weights in task.train."
    )


def _over_budget(dataset: Dataset, index: int, length: int, limits: BatchLimits) -> str:
    return (
        f"{dataset.describe(index)} has {length} tokens, but a batch may hold only "
        f"data.max_tokens={limits.max_tokens}. Set data.max_tokens={length} or more, "
        "or have the task cut or leave out what is so long: `seqtrain plugins show task/NAME` lists its settings."
    )
