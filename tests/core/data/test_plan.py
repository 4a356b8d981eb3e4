"""Which examples go into which batch, and in which order."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtrain.data import indices
from seqtrain.data import plan as plan_module
from seqtrain.data.plan import BatchLimits, EpochPlan, plan_epoch
from seqtrain.errors import DataError
from seqtrain.protocols import DatasetPart


class Lengths:
    """A dataset of which only the lengths matter."""

    fingerprint = "lengths"

    def __init__(self, lengths: Sequence[Sequence[int]], parts: Sequence[DatasetPart] | None = None) -> None:
        self._lengths = np.array(lengths, np.int64).reshape(len(lengths), len(lengths[0]) if lengths else 1)
        self.parts = parts or [DatasetPart(0, len(lengths))]

    def __len__(self) -> int:
        return len(self._lengths)

    def lengths(self, start: int, stop: int) -> np.ndarray:
        return self._lengths[start:stop]

    def describe(self, index: int) -> str:
        return f"corpus.en:{index + 1}"


def batches_of(plan: EpochPlan) -> list[list[int]]:
    return [plan.examples(each).tolist() for each in range(plan.num_micro_batches)]


def limits(tokens: int | None = None, sentences: int | None = None) -> BatchLimits:
    return BatchLimits(max_tokens=tokens, max_sentences=sentences)


pairs = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=60)


@given(pairs, st.integers(12, 40), st.integers(1, 4), st.integers(1, 3), st.integers(1, 9))
def test_an_epoch_has_every_example_exactly_once(lengths, budget, group, epoch, seed) -> None:
    """Whatever the lengths, nothing is lost or doubled."""
    plan = plan_epoch(Lengths(lengths), limits(budget), seed=seed, epoch=epoch, micro_batches_per_step=group)

    assert list(range(len(lengths))) == sorted(example for batch in batches_of(plan) for example in batch)


@given(pairs, st.integers(12, 40), st.integers(1, 5))
def test_no_batch_is_over_its_limits(lengths, budget, sentences) -> None:
    """Padded tokens of each side, and examples, stay within the limits."""
    plan = plan_epoch(Lengths(lengths), limits(budget, sentences), seed=1, epoch=1)

    for batch in batches_of(plan):
        assert 1 <= len(batch) <= sentences
        for side in (0, 1):
            assert len(batch) * max(lengths[example][side] for example in batch) <= budget


@settings(deadline=None)
@given(pairs, st.integers(12, 40))
def test_batches_are_as_full_as_going_through_the_sorted_examples_one_by_one(lengths, budget) -> None:
    """Cutting run by run gives the batches of the obvious loop."""
    plan = plan_epoch(Lengths(lengths), limits(budget), seed=1, epoch=1, shuffle=False)

    expected, current = [], []
    for length in sorted(max(pair) for pair in lengths):
        if current and (len(current) + 1) * max(length, 1) > budget:
            expected.append(current)
            current = []
        current.append(length)
    expected.append(current)
    assert [len(batch) for batch in expected] == [len(batch) for batch in batches_of(plan)]


def test_batches_worked_by_hand() -> None:
    """Lengths 2 2 3 4 4 6 with a budget of 8: the third needs 3 x 3 > 8, the sixth stands alone."""
    plan = plan_epoch(Lengths([[4], [2], [6], [2], [4], [3]]), limits(8), seed=1, epoch=1, shuffle=False)

    assert [[1, 3], [5, 0], [4], [2]] == batches_of(plan)


@given(pairs, st.integers(1, 4))
def test_the_batches_of_a_step_are_neighbours_in_length(lengths, group) -> None:
    """A step is a span of the sorted examples; only the longest step may have fewer batches."""
    plan = plan_epoch(Lengths(lengths), limits(24), seed=3, epoch=2, micro_batches_per_step=group)

    sizes = np.diff(plan.step_starts)
    assert plan.num_micro_batches == sizes.sum()
    assert Counter({group: len(sizes)}) - Counter(sizes.tolist()) in (Counter(), Counter({group: 1}))
    for start, stop in zip(plan.step_starts[:-1], plan.step_starts[1:], strict=True):
        step = plan.batches[start:stop]
        assert (step[1:, 0] == step[:-1, 1]).all()


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    """Planning twice gives the same; another epoch or seed gives another order."""
    data = Lengths([[1 + each % 7] for each in range(200)])

    def order(seed: int, epoch: int) -> list[list[int]]:
        return batches_of(plan_epoch(data, limits(20), seed=seed, epoch=epoch))

    assert order(1, 1) == order(1, 1)
    assert order(1, 1) != order(1, 2)
    assert order(1, 1) != order(2, 1)


def test_the_hash_of_a_plan_is_known() -> None:
    """Sizes of steps and batches, then the examples in their order: those of the batches worked by hand."""
    plan = plan_epoch(Lengths([[4], [2], [6], [2], [4], [3]]), limits(8), seed=1, epoch=1, shuffle=False)
    numbers = [1, 1, 1, 1, 2, 2, 1, 1, 1, 3, 5, 0, 4, 2]

    assert hashlib.sha256(b"".join(each.to_bytes(8, "little") for each in numbers)).hexdigest()[:16] == plan.digest


def test_the_hash_tells_any_two_orders_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of other epochs, seeds, limits and steps; it is the same however it is computed."""
    data = Lengths([[1 + each % 7] for each in range(200)])
    others = ({}, {"seed": 2}, {"epoch": 2}, {"limits": limits(21)}, {"micro_batches_per_step": 2}, {"shuffle": False})

    def digests() -> list[str]:
        return [plan_epoch(data, **{"limits": limits(20), "seed": 1, "epoch": 1, **other}).digest for other in others]

    whole = digests()
    monkeypatch.setattr(plan_module, "HASHED_BATCHES", 3)

    assert len(set(whole)) == len(others)
    assert whole == digests()


def test_small_chunks_and_files_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted chunk by chunk, with the order in a file, is what is counted at once."""
    data = Lengths([[1 + (each * 7919) % 11, 1 + (each * 104729) % 13] for each in range(500)])
    whole = batches_of(plan_epoch(data, limits(40), seed=1, epoch=1))

    monkeypatch.setattr(plan_module, "CHUNK", 17)
    monkeypatch.setattr(indices, "IN_MEMORY", 10)

    assert whole == batches_of(plan_epoch(data, limits(40), seed=1, epoch=1))


def test_weights_repeat_whole_parts_and_sample_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weight 2.5 on ten examples gives 25 places: each twice, half of them three times; weight 0.5 gives 5."""
    monkeypatch.setattr(plan_module, "CHUNK", 4)
    data = Lengths([[3]] * 20, [DatasetPart(0, 10, 2.5), DatasetPart(10, 20, 0.5)])

    def counts(epoch: int) -> Counter[int]:
        plan = plan_epoch(data, limits(9), seed=1, epoch=epoch)
        return Counter(example for batch in batches_of(plan) for example in batch)

    first = counts(1)
    assert 25 == sum(first[each] for each in range(10))
    assert {2, 3} == {first[each] for each in range(10)}
    assert 5 == sum(first[each] for each in range(10, 20))
    assert first != counts(2)


@given(pairs, st.integers(1, 7), st.integers(0, 2), st.integers(1, 9))
def test_as_many_epochs_as_parts_have_every_example_once(lengths, parts, passes_before, seed) -> None:
    """Each has another span of the data, and the next time round the same one in another order."""
    count = min(parts, len(lengths))

    def examples(epoch: int) -> list[int]:
        plan = plan_epoch(Lengths(lengths), limits(12), seed=seed, epoch=epoch, parts=count)
        return [example for batch in batches_of(plan) for example in batch]

    first = passes_before * count + 1
    epochs = [examples(epoch) for epoch in range(first, first + count)]

    assert list(range(len(lengths))) == [example for epoch in epochs for example in sorted(epoch)]
    assert sorted(examples(first + count)) == sorted(epochs[0])
    assert {len(lengths) // count, -(-len(lengths) // count)} >= {len(epoch) for epoch in epochs}


@given(st.lists(st.integers(30, 60), min_size=1, max_size=4), st.lists(st.sampled_from([0.3, 1, 1.5, 2]), min_size=4))
def test_weights_hold_over_all_parts(sizes, weights) -> None:
    """Each of several corpora is in every part, and comes as often as its weight says, to one example."""
    stops = np.cumsum(sizes)
    corpora = [
        DatasetPart(int(stop - size), int(stop), w) for stop, size, w in zip(stops, sizes, weights, strict=False)
    ]
    data = Lengths([[3]] * int(stops[-1]), corpora)

    plans = [plan_epoch(data, limits(9), seed=1, epoch=epoch, parts=3) for epoch in (4, 5, 6)]
    counts = Counter(example for plan in plans for batch in batches_of(plan) for example in batch)

    for corpus in corpora:
        seen = [counts[example] for example in range(corpus.start, corpus.stop)]
        assert round((corpus.stop - corpus.start) * (corpus.weight % 1)) == sum(seen) - len(seen) * int(corpus.weight)
        assert {int(corpus.weight), int(corpus.weight) + 1} >= set(seen)


def test_the_parts_of_large_data_are_stretches_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that one part's pages are all that an epoch touches, chunk by chunk."""
    monkeypatch.setattr(plan_module, "CHUNK", 7)
    data = Lengths([[3]] * 100, [DatasetPart(0, 60), DatasetPart(60, 100)])

    plan = plan_epoch(data, limits(9), seed=1, epoch=6, parts=4)

    assert [*range(15, 30), *range(70, 80)] == sorted(example for batch in batches_of(plan) for example in batch)


@pytest.mark.parametrize(("parts", "weight"), [(4, 1.0), (1, 0.1)])
def test_a_part_without_examples_is_an_error(parts: int, weight: float) -> None:
    """An epoch of nothing would be followed by another without end."""
    data = Lengths([[3]] * 3, [DatasetPart(0, 3, weight)])

    with pytest.raises(DataError, match=rf"the data has 3, with weights of {weight:g},.*data\.epoch_parts={parts}"):
        plan_epoch(data, limits(9), seed=1, epoch=1, parts=parts)


def test_an_example_over_the_budget_is_named() -> None:
    """The message has the place, its length, the limit, and what to set."""
    with pytest.raises(DataError, match=r"corpus\.en:2 has 9 tokens.*data\.max_tokens=8.*data\.max_tokens=9") as error:
        plan_epoch(Lengths([[3], [9], [4]]), limits(8), seed=1, epoch=1)

    assert 5 == error.value.exit_code


def test_no_examples_is_an_error() -> None:
    """An empty dataset cannot be planned."""
    with pytest.raises(DataError, match="no example"):
        plan_epoch(Lengths([], [DatasetPart(0, 0)]), limits(8), seed=1, epoch=1)
