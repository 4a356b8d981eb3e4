"""The mean of checkpoints is the mean, to the last bit of its type."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from seqtrain.checkpoint.checkpoint import Checkpoint
from seqtrain.checkpoint.shards import StoredTensor
from seqtrain.checkpoint.store import CheckpointStore
from seqtrain.errors import CheckpointError
from seqtrain.inference.average import average


@pytest.fixture(autouse=True)
def _no_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save time: what a flush is good for shows only when the power fails."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    """Return an empty store."""
    return CheckpointStore(tmp_path / "checkpoints")


def saved(store: CheckpointStore, *models: dict[str, Any]) -> list[Checkpoint]:
    for step, model in enumerate(models, start=1):
        store.save(step, 1, {"model": model}, {})
    return store.checkpoints()


def test_a_mean_by_hand(store: CheckpointStore) -> None:
    """(1 + 2 + 6) / 3 = 3 and (0 - 4 + 1) / 3 = -1."""
    models = [{"w": torch.tensor(values)} for values in ([1.0, 0.0], [2.0, -4.0], [6.0, 1.0])]

    assert torch.equal(torch.tensor([3.0, -1.0]), average(saved(store, *models))["w"])


def test_the_sum_is_kept_in_double_precision(store: CheckpointStore) -> None:
    """In bfloat16, 256 + 1 = 256, so the mean of 256, 1, 1, 2 would come out as 64; it is 65."""
    models = [{"w": torch.tensor([value], dtype=torch.bfloat16)} for value in (256.0, 1.0, 1.0, 2.0)]

    mean = average(saved(store, *models))["w"]
    assert torch.bfloat16 == mean.dtype
    assert mean.item() == 65.0


def test_the_mean_of_one_and_of_equals_is_the_same_weight(store: CheckpointStore) -> None:
    """Nothing is lost by averaging."""
    weight = torch.randn(50, generator=torch.Generator().manual_seed(0))
    three = saved(store, *[{"w": weight}] * 3)

    assert torch.equal(weight, average(three)["w"])
    assert torch.equal(weight, average(three[:1])["w"])


def test_whole_numbers_are_those_of_the_last(store: CheckpointStore) -> None:
    """A counter has no mean."""
    mean = average(
        saved(
            store, {"n": torch.tensor(3), "m": torch.tensor([True])}, {"n": torch.tensor(8), "m": torch.tensor([False])}
        )
    )

    assert torch.equal(torch.tensor(8), mean["n"])
    assert torch.equal(torch.tensor([False]), mean["m"])


def test_tied_weights_stay_tied(store: CheckpointStore) -> None:
    """So that an averaged checkpoint is no larger than its sources."""
    models = []
    for value in (1.0, 2.0):
        shared = torch.full((3,), value)
        models.append({"a": shared, "b": shared})
    mean = average(saved(store, *models))

    assert mean["a"] is mean["b"]
    assert torch.equal(torch.full((3,), 1.5), mean["b"])


@pytest.mark.parametrize(
    "other", [{"v": torch.ones(2)}, {"w": torch.ones(3)}, {"w": torch.ones(2), "v": torch.ones(1)}]
)
def test_models_that_differ_are_refused(store: CheckpointStore, other: dict[str, Any]) -> None:
    """Other names or shapes: the message says which checkpoint."""
    with pytest.raises(CheckpointError, match=r"step-00000002 do not fit"):
        average(saved(store, {"w": torch.ones(2)}, other))


def test_nothing_has_no_mean() -> None:
    """An empty choice is an error, not a division by zero."""
    with pytest.raises(CheckpointError, match="no checkpoint to average"):
        average([])


def test_checkpoints_of_several_models_are_told_before_one_is_read(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the headers of their files, which have the names and shapes."""
    checkpoints = saved(store, {"w": torch.zeros(2, 3)}, {"w": torch.zeros(2, 3)}, {"w": torch.zeros(2, 4)})
    assert checkpoints[2].shapes() == {"w": (2, 4)}
    monkeypatch.setattr(StoredTensor, "full", None)

    with pytest.raises(CheckpointError, match=r"step-00000003 do not fit .*w is \(2, 4\) there and \(2, 3\) here"):
        average(checkpoints)


def test_a_header_of_a_strange_length_is_not_read(store: CheckpointStore) -> None:
    """It could fill the memory."""
    (checkpoint,) = saved(store, {"w": torch.zeros(2)})
    (checkpoint.path / "model.safetensors").write_bytes((40_000_000).to_bytes(8, "little") + b" " * 100)

    with pytest.raises(CheckpointError, match="a header of 40,000,000 bytes"):
        checkpoint.shapes()
