"""A copy of the state that stays as it is."""

from __future__ import annotations

import torch

from seqtrain.checkpoint.checkpoint import Checkpoint, write_state
from seqtrain.checkpoint.manifest import write_manifest
from seqtrain.checkpoint.snapshot import Snapshot


def test_a_copy_does_not_change_with_the_state():
    """Tensors, lists and numbers in it are of their own."""
    weights, history = torch.arange(3.0), [1]
    state = {
        "model": {"w": weights},
        "progress": {"history": history, "step": 7},
        "optimizer": {"state": {0: weights * 2}},
    }
    taken = Snapshot().take(state)
    weights.add_(100)
    history.append(2)

    assert [0, 1, 2] == taken["model"]["w"].tolist()
    assert {"history": [1], "step": 7} == taken["progress"]
    assert [0, 2, 4] == taken["optimizer"]["state"][0].tolist()


def test_the_next_copy_lies_in_the_same_memory():
    """Fresh memory is what makes copying slow."""
    snapshot, weights = Snapshot(), torch.zeros(4)
    first = snapshot.take({"model": {"w": weights}})["model"]["w"].data_ptr()
    weights.fill_(5)
    second = snapshot.take({"model": {"w": weights}})["model"]["w"]

    assert first == second.data_ptr()
    assert [5, 5, 5, 5] == second.tolist()


def test_a_tensor_of_another_shape_or_type_gets_memory_of_its_own():
    """An optimizer may give another kind of tensor under a name it has used before."""
    snapshot = Snapshot()
    snapshot.take({"a": torch.zeros(4)})

    assert [1.5, 2.5] == snapshot.take({"a": torch.tensor([1.5, 2.5])})["a"].tolist()
    assert torch.int64 == snapshot.take({"a": torch.tensor([1, 2])})["a"].dtype


def test_memory_of_a_part_that_is_gone_is_let_go():
    """Only what the newest state has is kept."""
    snapshot = Snapshot()
    snapshot.take({"a": torch.zeros(4), "b": torch.zeros(4)})
    snapshot.take({"a": torch.zeros(4)})

    assert [("a",)] == list(snapshot._kept)


def test_tied_tensors_are_copied_once_and_stay_tied():
    """Two names of one tensor; a transposed view of it is another tensor."""
    tied = torch.arange(6.0).reshape(2, 3)
    taken = Snapshot().take({"model": {"embedding": tied, "output": tied, "transposed": tied.t()}})["model"]

    assert taken["embedding"] is taken["output"]
    assert tied.t().tolist() == taken["transposed"].tolist()


def test_empty_and_scalar_tensors_are_copied():
    """Shapes () and (0, 3)."""
    taken = Snapshot().take({"steps": torch.tensor(3.0), "none": torch.empty(0, 3)})

    assert 3 == taken["steps"].item()
    assert (0, 3) == taken["none"].shape


def test_a_checkpoint_of_the_copy_has_the_bytes_of_one_of_the_state(tmp_path):
    """Names, ties and order of memory are the same."""
    tied = torch.randn(3, 4)
    state = {"model": {"a": tied, "b": tied, "c": torch.randn(4, 3).t()}, "optimizer": {0: torch.ones(2)}}
    for name, each in (("straight", state), ("copied", Snapshot().take(state))):
        (tmp_path / name).mkdir()
        write_state(tmp_path / name, each)
        write_manifest(tmp_path / name, step=1, epoch=1, measures={})

    assert Checkpoint.verified(tmp_path / "straight").manifest == Checkpoint.verified(tmp_path / "copied").manifest
