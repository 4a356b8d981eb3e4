"""States come back from safetensors and JSON as they were."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.torch import load_file

from seqtrain.checkpoint.checkpoint import write_state
from seqtrain.checkpoint.shards import StoredTensors
from seqtrain.checkpoint.tensors import Packer, read_state, unpack, write_tensors
from seqtrain.errors import CheckpointError

DTYPES = (
    torch.float32,
    torch.float64,
    torch.bfloat16,
    torch.float16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
)

tensors = st.builds(
    lambda dtype, shape, seed: torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(seed)).to(dtype),
    st.sampled_from(DTYPES),
    st.lists(st.integers(0, 3), max_size=3),
    st.integers(0, 99),
)
keys = st.text(max_size=4) | st.integers(-5, 5) | st.sampled_from(["$tensor", "$dict", "$float", "__metadata__", "a.b"])
states = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | tensors,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)


def same(left: Any, right: Any) -> bool:
    """Compare states bit for bit and the type."""
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and left.shape == right.shape and torch.equal(left, right)
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float):
        return repr(left) == repr(right)
    return bool(left == right)


def round_trip(state: Any, file: Path) -> Any:
    packer = Packer()
    skeleton = json.loads(json.dumps(packer.pack(state), allow_nan=False))
    write_tensors(file, packer.tensors)
    return read_state(skeleton, StoredTensors(file.parent, file.name, [file.name]))


@settings(max_examples=150, deadline=None)
@given(state=states)
def test_any_state_comes_back_exactly(tmp_path_factory: pytest.TempPathFactory, state: Any) -> None:
    """Types, key types and order, dtypes, shapes and the bits of floats survive."""
    assert same(state, round_trip(state, tmp_path_factory.mktemp("state") / "x.safetensors"))


@pytest.mark.parametrize("value", [math.inf, -math.inf, -0.0, 5e-324, 0.1 + 0.2, 1.7976931348623157e308, math.nan])
def test_awkward_floats_come_back_exactly(tmp_path: Path, value: float) -> None:
    """JSON has no infinities and no NaN; the files hold strict JSON all the same."""
    assert repr(value) == repr(round_trip({"x": value}, tmp_path / "x.safetensors")["x"])


def test_an_optimizer_state_keeps_its_integer_keys(tmp_path: Path) -> None:
    """Torch numbers parameters with integers; a restored AdamW takes the same next step."""
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(4))
    optimizer = torch.optim.AdamW([weight], lr=0.1)
    weight.grad = torch.randn(4)
    optimizer.step()
    twin = torch.nn.Parameter(weight.detach().clone())
    restored = torch.optim.AdamW([twin], lr=0.5)

    state = round_trip(optimizer.state_dict(), tmp_path / "x.safetensors")
    restored.load_state_dict(state)
    twin.grad = weight.grad.clone()
    optimizer.step()
    restored.step()

    assert {0} == set(state["state"])
    assert torch.equal(weight, twin)


def test_the_drawing_in_the_docstring_is_true() -> None:
    """The skeleton and the names are as documented."""
    packer = Packer()

    skeleton = packer.pack({"step": 3, "state": {0: {"exp_avg": torch.ones(2)}}, "lr": math.inf})

    assert list(packer.tensors) == ["state.0.exp_avg"]
    assert skeleton == {
        "step": 3,
        "state": {"$dict": [[0, {"exp_avg": {"$tensor": "state.0.exp_avg"}}]]},
        "lr": {"$float": "inf"},
    }


def test_tied_weights_are_stored_once_and_come_back_tied(tmp_path: Path) -> None:
    """The file has one tensor; every name gets it, as the same memory."""
    shared = torch.randn(5, 3)
    packer = Packer()
    skeleton = packer.pack({"encoder.embed": shared, "decoder.embed": shared, "other": shared.clone()})
    write_tensors(tmp_path / "m.safetensors", packer.tensors)

    back = read_state(skeleton, StoredTensors(tmp_path, "m.safetensors", ["m.safetensors"]))

    assert list(packer.tensors) == ["encoder.embed", "other"]
    assert back["encoder.embed"] is back["decoder.embed"]
    assert torch.equal(shared, back["decoder.embed"])


def test_views_of_one_memory_that_differ_are_stored_apart(tmp_path: Path) -> None:
    """A transpose, a slice and the whole share memory but are not the same tensor."""
    whole = torch.arange(9.0).reshape(3, 3)
    state = {"whole": whole, "turned": whole.T, "row": whole[1], "column": whole[:, 1]}

    assert same(state, round_trip(state, tmp_path / "x.safetensors"))


def test_empty_tensors_are_not_taken_for_tied() -> None:
    """Tensors without elements have no memory to share."""
    packer = Packer()
    packer.pack({"a": torch.zeros(0, 2), "b": torch.zeros(0, 2)})

    assert {"a", "b"} == set(packer.tensors)


def test_equal_states_make_equal_files(tmp_path: Path) -> None:
    """The bytes depend on names and values alone: not on the order of insertion, the time, or the memory."""
    weights = {f"layer{index}.weight": torch.full((3, 2), float(index)) for index in range(6)}
    write_tensors(tmp_path / "a", weights)
    write_tensors(tmp_path / "b", {name: weights[name].clone() for name in reversed(weights)})

    digests = {hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in "ab"}
    assert len(digests) == 1


def test_the_model_file_has_the_names_of_the_model(tmp_path: Path) -> None:
    """Any safetensors reader finds the weights under their own names."""
    write_state(tmp_path, {"model": {"encoder.0.weight": torch.ones(1)}, "optimizer": {}, "progress": {"step": 1}})
    assert list(load_file(tmp_path / "model.safetensors")) == ["encoder.0.weight"]
    assert {"model.safetensors", "state.json"} == {file.name for file in tmp_path.iterdir()}


def test_files_have_the_permissions_of_the_folder(tmp_path: Path) -> None:
    """Who may read the folder may read the weights."""
    folder = tmp_path / "f"
    folder.mkdir(mode=0o750)
    folder.chmod(0o750)
    write_tensors(folder / "x", {"a": torch.ones(1)})

    assert (folder / "x").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("state", "complaint"),
    [
        ({"seen": {1, 2}}, "holds a set at 'seen'"),
        ({"a": [{"b": object()}]}, "holds a object at 'a.0.b'"),
        ({"a": {1.5: 2}}, "the key 1.5 in 'a'"),
        ({"a": torch.ones(2, 2).to_sparse()}, "make it dense"),
    ],
)
def test_what_cannot_be_saved_is_named(state: Any, complaint: str) -> None:
    """Nothing is pickled as a last resort; the message says where the culprit lies."""
    with pytest.raises(CheckpointError, match=complaint):
        Packer().pack(state)


def test_unpacking_shares_nothing_with_the_skeleton() -> None:
    """Changing a restored list does not change what a second reading gives."""
    skeleton = {"a": [1, 2]}
    unpack(skeleton, lambda *_: torch.ones(1))["a"].append(3)

    assert skeleton == {"a": [1, 2]}


def test_writing_into_a_missing_folder_is_an_error_of_the_system(tmp_path: Path) -> None:
    """The library's own error becomes the OSError that it stands for."""
    with pytest.raises(FileNotFoundError):
        write_tensors(tmp_path / "missing" / "x", {"a": torch.ones(1)})


def test_names_that_would_collide_are_told_apart(tmp_path: Path) -> None:
    """Keys with dots in them, a number and its digits, and a name that the format keeps for itself."""
    state = {
        "a": {"b": torch.tensor(1), 0: torch.tensor(2), "0": torch.tensor(3)},
        "a.b": torch.tensor(4),
        "__metadata__": torch.tensor(5),
        "": torch.tensor(6),
    }

    assert same(state, round_trip(state, tmp_path / "x.safetensors"))


def test_an_error_of_the_library_that_is_not_the_systems_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be a bug, and is not to be taken for a full disk."""

    def fail(*_: object) -> None:
        raise SafetensorError("odd")

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(SafetensorError, match="odd"):
        write_tensors(tmp_path / "x", {})


def test_a_reference_without_a_file_is_refused() -> None:
    """A forged skeleton refers to tensors where there are none."""
    with pytest.raises(ValueError, match=r"no file 'x\.safetensors'"):
        read_state({"$tensor": "a"}, StoredTensors(Path("/nowhere"), "x.safetensors", []))
