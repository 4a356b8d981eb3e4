"""The batches of an epoch where the data varies by epoch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from seqtrain.data.epoch_iterator import EpochIterator, iter_batches
from seqtrain.data.plan import BatchLimits
from seqtrain.errors import DataError
from seqtrain.protocols import DatasetPart

LIMITS = BatchLimits(max_tokens=12, max_sentences=None)


class Numbers:
    """Examples of given lengths; a batch says which data it is of, and which examples."""

    fingerprint = "numbers"

    def __init__(self, name: str, lengths: list[int]) -> None:
        self.name = name
        self._lengths = np.array(lengths, np.int64)[:, None]
        self.parts = [DatasetPart(0, len(lengths))]

    def __len__(self) -> int:
        return len(self._lengths)

    def lengths(self, start: int, stop: int) -> np.ndarray:
        return self._lengths[start:stop]

    def collate(self, indices: np.ndarray) -> tuple[str, list[int], int]:
        return self.name, indices.tolist(), int(self._lengths[indices].max()) * len(indices)

    def describe(self, index: int) -> str:
        return f"{self.name}:{index}"


class Varying(Numbers):
    """Lengths are drawn anew for each epoch."""

    def __init__(self) -> None:
        super().__init__("undrawn", [3] * 30)
        self.asked: list[tuple[int, int, int | None]] = []

    def at_epoch(self, epoch: int, *, seed: int, max_tokens: int | None) -> Numbers:
        self.asked.append((epoch, seed, max_tokens))
        lengths = np.random.default_rng([seed, epoch]).integers(1, 9, 30 + epoch).tolist()
        return Numbers(f"epoch-{epoch}", lengths)


def batches(iterator: EpochIterator, epoch: int, cursor: int = 0) -> list[tuple[str, list[int], int]]:
    return [batch for step in iterator.steps(epoch, cursor) for batch in step.samples]


@pytest.mark.parametrize("prefetch", [0, 2])
def test_each_epoch_is_made_of_its_own_examples(prefetch: int) -> None:
    """Every one of them comes once, in batches within the limits of the lengths they have in that epoch."""
    iterator = EpochIterator(Varying(), LIMITS, seed=5, prefetch=prefetch)
    for epoch in (1, 2, 3):
        found = batches(iterator, epoch)

        assert {name for name, _, _ in found} == {f"epoch-{epoch}"}
        assert sorted(index for _, indices, _ in found for index in indices) == list(range(30 + epoch))
        assert max(size for _, _, size in found) <= 12
        assert iterator.dataset.describe(4) == f"epoch-{epoch}:4"


def test_an_epoch_is_asked_for_once() -> None:
    """With the seed of the order and what a batch may hold; planning it again costs nothing."""
    data = Varying()
    iterator = EpochIterator(data, LIMITS, seed=5)
    plans = [iterator.plan(2) for _ in range(3)]
    batches(iterator, 2)

    assert data.asked == [(2, 5, 12)]
    assert plans[0] is plans[1] is plans[2]


def test_an_epoch_goes_on_where_it_stopped() -> None:
    """Another process gets the same batches, without the epochs before."""
    first = EpochIterator(Varying(), LIMITS, micro_batches_per_step=2, seed=5)
    whole = [batches(first, epoch) for epoch in (1, 2, 3)]
    second = EpochIterator(Varying(), LIMITS, micro_batches_per_step=2, seed=5)
    second.load_state_dict(first.state_dict())
    cursor = int(second.plan(3).step_starts[2])

    assert batches(second, 3, cursor) == whole[2][cursor:]
    assert second.plan(3).digest == first.plan(3).digest != first.plan(2).digest
    assert whole[1] != whole[2]


def test_data_that_varies_does_so_once_all_parts_were_gone_over() -> None:
    """So the parts are of the same examples, and each of these comes once; going on in the midst of it is the same."""
    data = Varying()
    iterator = EpochIterator(data, LIMITS, seed=5, parts=3)
    epochs = [batches(iterator, epoch) for epoch in range(1, 7)]

    assert [passing for passing, _, _ in data.asked] == [1, 2]
    for passing in (1, 2):
        of_all = [batch for epoch in epochs[3 * passing - 3 : 3 * passing] for batch in epoch]
        assert {name for name, _, _ in of_all} == {f"epoch-{passing}"}
        assert sorted(index for _, indices, _ in of_all for index in indices) == list(range(30 + passing))
    another = EpochIterator(Varying(), LIMITS, seed=5, parts=3)
    another.plan(1)
    cursor = int(another.plan(5).step_starts[2])
    assert batches(another, 5, cursor) == epochs[4][cursor:]


def test_the_state_is_that_of_the_whole() -> None:
    """It is the same in every epoch; other data is refused."""
    iterator = EpochIterator(Varying(), LIMITS)
    before = iterator.state_dict()
    iterator.plan(2)

    assert iterator.state_dict() == before == {"fingerprint": "numbers"}
    with pytest.raises(DataError, match="not what it was"):
        iterator.load_state_dict({"fingerprint": "others"})


def test_measuring_asks_for_no_epoch() -> None:
    """Validation and evaluation see the data as it is."""
    data = Varying()
    found: Iterator[tuple[str, list[int], int]] = iter_batches(data, LIMITS)

    assert {name for name, _, _ in found} == {"undrawn"}
    assert data.asked == []
