"""A tensor that lies in shards is the tensor that was cut, and nothing else that claims to be one is used."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from seqtrain.checkpoint.atomic_io import NotWrittenError
from seqtrain.checkpoint.checkpoint import Checkpoint, check_shards, write_state
from seqtrain.checkpoint.coordination import on_all_workers
from seqtrain.checkpoint.manifest import NAME, write_manifest
from seqtrain.checkpoint.sharding import local_shards
from seqtrain.checkpoint.shards import INDEX, Shard, boundaries
from seqtrain.checkpoint.snapshot import Snapshot
from seqtrain.checkpoint.store import CheckpointStore
from seqtrain.errors import CheckpointError

WEIGHT = torch.arange(15.0).reshape(5, 3)


def worker(rank: int, world_size: int = 2, said: Callable[[Any], list[Any]] = lambda value: [value]) -> Any:
    """Return a group as one of its workers sees it."""
    return SimpleNamespace(rank=rank, world_size=world_size, all_gather_object=said)


def cut(tensor: torch.Tensor, rank: int, world_size: int = 2) -> Shard:
    """Return a worker's shard of a tensor."""
    bounds = boundaries(tensor.shape[0], world_size)
    return Shard(tensor[bounds[rank] : bounds[rank + 1]].clone(), tuple(tensor.shape))


def write(folder: Path, tensor: torch.Tensor = WEIGHT, world_size: int = 2) -> Path:
    """Write a checkpoint as workers would, one after the other."""
    folder.mkdir()
    for rank in range(world_size):
        shard = cut(tensor, rank, world_size)
        state = {
            "model": {"w": shard, "tied": shard, "counts": torch.arange(2) if rank == 0 else None},
            "progress": {"step": 3},
        }
        write_state(folder, state, worker(rank, world_size))
    write_manifest(folder, step=3, epoch=1, measures={})
    return folder


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Return a checkpoint by two workers."""
    return write(tmp_path / "step-00000003")


def forge(folder: Path, index: Any) -> Path:
    """Put another index in, under a manifest that agrees with it."""
    (folder / INDEX).write_text(json.dumps(index))
    (folder / NAME).unlink()
    write_manifest(folder, step=3, epoch=1, measures={})
    return folder


@given(rows=st.integers(0, 40), workers=st.integers(1, 9))
def test_rows_are_divided_as_torch_divides_them(rows: int, workers: int) -> None:
    """Every row is one worker's; the bounds are those of `torch.chunk`, which FSDP goes by."""
    bounds = boundaries(rows, workers)

    sizes = [len(each) for each in torch.chunk(torch.empty(rows), workers)] if rows else []
    assert [0, rows] == [bounds[0], bounds[-1]]
    assert [*sizes, *[0] * (workers - len(sizes))] == [end - begin for begin, end in pairwise(bounds)]


@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
def test_pieces_make_the_whole_again(tmp_path: Path, world_size: int, dtype: torch.dtype) -> None:
    """With workers that have no row; tied names are one tensor; what is not divided is written once."""
    tensor = WEIGHT.to(dtype)
    loaded = Checkpoint.verified(write(tmp_path / "c", tensor, world_size)).load("model")

    assert dtype == loaded["w"].dtype
    assert torch.equal(tensor, loaded["w"])
    assert loaded["w"] is loaded["tied"]
    assert [0, 1] == loaded["counts"].tolist()


def test_any_rows_can_be_read_alone(checkpoint: Path, tmp_path: Path) -> None:
    """From shards and from a whole one: across the cut, within a shard, none."""
    CheckpointStore(tmp_path / "whole").save(1, 1, {"model": {"w": WEIGHT}}, {})
    for each in (Checkpoint.read(checkpoint), CheckpointStore(tmp_path / "whole").open("last")):
        for begin in range(6):
            for end in range(begin, 6):
                model = each.load("model", lambda _, stored, rows=(begin, end): stored.rows(*rows[: stored.shape[0]]))
                assert torch.equal(WEIGHT[begin:end], model["w"]), (begin, end)


def test_who_loads_is_told_where_a_tensor_belongs(tmp_path: Path) -> None:
    """By all the keys that lead there, whole numbers among them, and its whole shape."""
    state = {"optimizer": {"state": {0: {"m": WEIGHT, "step": torch.tensor(1.0)}}}, "ema": {"average": [WEIGHT[0]]}}
    path = CheckpointStore(tmp_path).save(1, 1, state, {})
    told = []

    for part in state:
        Checkpoint.read(path).load(part, lambda keys, stored: told.append((keys, stored.shape)) or stored.full())

    assert [
        (("optimizer", "state", 0, "m"), (5, 3)),
        (("optimizer", "state", 0, "step"), ()),
        (("ema", "average", 0), (3,)),
    ] == told


def test_the_files_are_those_that_the_index_names(checkpoint: Path) -> None:
    """The drawing in the module's docstring; any reader of safetensors finds the rows."""
    index = json.loads((checkpoint / INDEX).read_text())

    assert {
        "model.safetensors": {
            "files": ["model-1-of-2.safetensors", "model-2-of-2.safetensors"],
            "tensors": {"w": {"shape": [5, 3], "rows": [0, 3, 5]}},
        }
    } == index
    expected = {*index["model.safetensors"]["files"], "model.safetensors", INDEX, NAME, "state.json"}
    assert expected == {each.name for each in checkpoint.iterdir()}


def test_the_other_workers_write_nothing_where_nothing_is_divided(tmp_path: Path) -> None:
    """As with DDP, where every worker has the same."""
    state = local_shards({"model": {"w": WEIGHT}, "progress": {"step": 3}}, worker(1))

    assert {} == write_state(tmp_path, state, worker(1))
    assert not list(tmp_path.iterdir())


def test_a_piece_that_is_damaged_or_missing_is_noticed(checkpoint: Path) -> None:
    """By verifying, and by who reads without."""
    shard = checkpoint / "model-2-of-2.safetensors"
    content = shard.read_bytes()
    shard.write_bytes(content[:-1] + b"\1")
    with pytest.raises(CheckpointError, match=r"model-2-of-2\.safetensors has other content"):
        Checkpoint.verified(checkpoint)

    shard.unlink()
    with pytest.raises(CheckpointError, match=r"model-2-of-2\.safetensors is missing"):
        Checkpoint.verified(checkpoint)
    with pytest.raises(CheckpointError, match=r"Cannot read 'model' from checkpoint .*No such file"):
        Checkpoint.read(checkpoint).load("model")


FILES = ["model-1-of-2.safetensors", "model-2-of-2.safetensors"]
W = {"shape": [5, 3], "rows": [0, 3, 5]}


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"files": FILES, "tensors": {"w": W | {"rows": [0, 5]}}}, "which cannot be"),
        ({"files": FILES, "tensors": {"w": W | {"rows": [0, 2, 5]}}}, "is not what pieces.json says"),
        ({"files": FILES, "tensors": {"w": W | {"rows": [0, 4, 3, 5]}}}, "which cannot be"),
        ({"files": FILES, "tensors": {"w": W | {"rows": [1, 3, 5]}}}, "which cannot be"),
        ({"files": FILES, "tensors": {"w": W | {"rows": [0, 3, 4]}}}, "which cannot be"),
        ({"files": FILES, "tensors": {"w": W | {"rows": [0, True, 5]}}}, "where sizes should be"),
        ({"files": FILES, "tensors": {"w": W | {"rows": [0, -3, 5]}}}, "where sizes should be"),
        ({"files": FILES, "tensors": {"w": W | {"rows": 5}}}, "where a list should be"),
        ({"files": FILES, "tensors": {"w": W | {"rows": []}}}, "which cannot be"),
        ({"files": FILES, "tensors": {"w": {"shape": [], "rows": []}}}, "which cannot be"),
        ({"files": FILES, "tensors": {"w": {"shape": [0, 3], "rows": [0, 0, 0]}}}, "which cannot be"),
        ({"files": FILES, "tensors": {"w": W | {"shape": [5, 10**15]}}}, "is not what pieces.json says"),
        ({"files": FILES, "tensors": {"w": {"shape": [10**15, 3], "rows": [0, 3, 10**15]}}}, "is not what pieces.json"),
        ({"files": FILES, "tensors": {"w": W | {"shape": [5]}}}, "is not what pieces.json says"),
        ({"files": FILES, "tensors": {"w": None}}, "where a dict should be"),
        ({"files": FILES, "tensors": ["w"]}, "where a dict should be"),
        ({"files": FILES[::-1], "tensors": {"w": W}}, "is not what pieces.json says"),
        ({"files": [FILES[0], FILES[0]], "tensors": {"w": W}}, "is not what pieces.json says"),
        ({"files": [FILES[0], "model.safetensors"], "tensors": {"w": W}}, "does not contain tensor w"),
        ({"files": [FILES[0], "../other.safetensors"], "tensors": {"w": W}}, "has no file '../other.safetensors'"),
        ({"files": [FILES[0], "state.json"], "tensors": {"w": W}}, "Cannot read 'model'"),
        ({"files": [FILES[0], ["x"]], "tensors": {"w": W}}, "Cannot read 'model'"),
        ({"files": {"0": FILES[0]}, "tensors": {"w": W}}, "where a list should be"),
        ({}, "does not contain tensor w"),
        ([], "where a dict should be"),
    ],
)
def test_a_forged_index_is_an_error_of_ours(checkpoint: Path, entry: Any, complaint: str) -> None:
    """Nothing is read that is not of the checkpoint, and no memory taken for what is not there."""
    forge(checkpoint, {"model.safetensors": entry})

    with pytest.raises(CheckpointError, match="(?i)" + complaint):
        Checkpoint.verified(checkpoint).load("model")


@pytest.mark.parametrize("content", ["[]", "{", "[" * 100_000, '"x"', "null", ""])
def test_an_index_that_is_none_is_an_error_of_ours(checkpoint: Path, content: str) -> None:
    """Another kind of JSON, or none."""
    forge(checkpoint, {})
    (checkpoint / INDEX).write_text(content)

    with pytest.raises(CheckpointError, match="Cannot read 'model'"):
        Checkpoint.read(checkpoint).load("model")


def test_pieces_of_several_types_are_refused(checkpoint: Path) -> None:
    """Whatever the index says, which does not tell of types."""
    save_file({"w": torch.zeros(2, 3, dtype=torch.int32)}, checkpoint / FILES[1])
    forge(checkpoint, {"model.safetensors": {"files": FILES, "tensors": {"w": W}}})

    with pytest.raises(CheckpointError, match="of several types: F32, I32"):
        Checkpoint.read(checkpoint).load("model")
    with pytest.raises(CheckpointError, match="do not make a whole"):
        check_shards(checkpoint, [INDEX, "model.safetensors", *FILES])


def test_a_copy_of_a_piece_is_of_its_own() -> None:
    """Tied shards stay tied; the next copy lies in the same memory."""
    snapshot, shard = Snapshot(), cut(WEIGHT, 0)
    taken = snapshot.take({"model": {"a": shard, "b": shard}})["model"]
    shard.rows.add_(1)

    assert torch.equal(WEIGHT[:3], taken["a"].rows)
    assert (5, 3) == taken["a"].shape
    assert taken["a"].rows is taken["b"].rows
    again = snapshot.take({"model": {"a": shard, "b": shard}})["model"]
    assert again["a"].rows.data_ptr() == taken["a"].rows.data_ptr()


def test_an_error_of_one_worker_is_one_of_all() -> None:
    """Of the same kind, so that all try again or none does: what is beyond hope weighs more than a full disk."""
    full, odd = {"error": "full", "may_retry": True}, {"error": "odd", "may_retry": False}

    def of_two(other: Any) -> Any:
        return worker(0, 2, lambda value: [value, other])

    def refuse() -> None:
        raise NotWrittenError("mine")

    assert [None, 3] == on_all_workers(of_two({"result": 3}), lambda: None)
    with pytest.raises(NotWrittenError, match="Worker 1: full"):
        on_all_workers(of_two(full), lambda: None)
    with pytest.raises(CheckpointError, match="Worker 1: odd") as caught:
        on_all_workers(of_two(odd), refuse)
    assert not isinstance(caught.value, NotWrittenError)
    with pytest.raises(NotWrittenError, match=r"^mine$"):
        on_all_workers(of_two(full), refuse)
    with pytest.raises(ZeroDivisionError):
        on_all_workers(of_two(full), lambda: 1 // 0)
