"""
State dicts as files: tensors in safetensors, everything else in JSON, and nothing that could be executed.

A state (dicts, lists, tensors, numbers, strings, booleans, None) is taken apart into named tensors and a skeleton::

    {"step": 3, "state": {0: {"exp_avg": <tensor>}}, "lr": inf}

    state.0.exp_avg                                                       the tensor's name
    {"step": 3, "state": {"$dict": [[0, {"exp_avg": {"$tensor": "state.0.exp_avg"}}]]}, "lr": {"$float": "inf"}}

Tied tensors (the same memory) are stored once, under the name met first; the skeleton refers to that name from every
place, whether the tensor is stored whole or in shards. Names and bytes depend on the state alone, so equal states make
equal files. Tuples come back as lists.

Torch is imported where it is needed, not above: listing and verifying checkpoints must not wait for it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from safetensors import SafetensorError

from seqtrain.checkpoint.shards import Shard, StoredTensor, StoredTensors
from seqtrain.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

Keys: TypeAlias = "tuple[str | int, ...]"
"""What leads to a tensor in a state: the part's name, and the keys and indices below it."""
TensorReader: TypeAlias = "Callable[[Keys, StoredTensor], Tensor]"
"""Reads what a run needs of a tensor."""

_KEPT = ("__metadata__",)  # a name that the format keeps for itself
_OS_ERROR = re.compile(r"(?:os error|code:) (\d+)")


class Packer:
    """
    Takes states apart.

    Whole tensors gather in `tensors`, those that are divided among workers in `shards`, in the order and under the
    names in which they are met.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.shards: dict[str, Shard] = {}
        self._name_of_memory: dict[tuple[object, ...], str] = {}

    def pack(self, value: Any, path: tuple[str, ...] = ()) -> Any:
        """
        Return the skeleton of a state.

        Args:
            value: the state.
            path: the keys that lead to it; joined by dots they name its tensors.

        Raises:
            CheckpointError: the state holds something that is neither tensor nor JSON.
        """
        import torch  # noqa: PLC0415 - see the module's docstring

        if isinstance(value, torch.Tensor):
            return {"$tensor": self._store(value, path, self.tensors, value.detach())}
        if isinstance(value, Shard):
            return {"$tensor": self._store(value.rows, path, self.shards, value)}
        if isinstance(value, Mapping):
            items = [[self._key(key, path), self.pack(each, (*path, str(key)))] for key, each in value.items()]
            plain = all(isinstance(key, str) and not key.startswith("$") for key, _ in items)
            return dict(items) if plain else {"$dict": items}
        if isinstance(value, (list, tuple)):
            return [self.pack(each, (*path, str(index))) for index, each in enumerate(value)]
        if isinstance(value, float):
            return value if math.isfinite(value) else {"$float": str(value)}
        if value is None or isinstance(value, (bool, int, str)):
            return value
        raise CheckpointError(
            f"The state to save holds a {type(value).__name__} at {'.'.join(path)!r}. A state_dict() may hold tensors, "
            "numbers, strings, booleans, None, and lists and dicts of these."
        )

    def _key(self, key: Any, path: tuple[str, ...]) -> str | int:
        if isinstance(key, (str, int)):
            return key
        raise CheckpointError(
            f"The state to save has the key {key!r} in {'.'.join(path)!r}; keys are strings or integers."
        )

    def _store(self, tensor: Tensor, path: tuple[str, ...], stored: dict[str, Any], value: Tensor | Shard) -> str:
        import torch  # noqa: PLC0415

        if tensor.layout != torch.strided:
            raise CheckpointError(
                f"The state to save holds a {tensor.layout} tensor at {'.'.join(path)!r}; make it dense."
            )
        memory = place_in_memory(tensor)
        if tensor.numel() > 0 and memory in self._name_of_memory:
            return self._name_of_memory[memory]
        name = ".".join(path)
        while name in self.tensors or name in self.shards or name in _KEPT:  # {"a": {"b": …}, "a.b": …}
            name += "'"
        stored[name] = value
        self._name_of_memory[memory] = name
        return name


def place_in_memory(tensor: Tensor) -> tuple[object, ...]:
    """Return what two tensors share exactly if they are tied: the same numbers in the same memory."""
    return (
        tensor.device,
        tensor.untyped_storage().data_ptr(),
        tensor.storage_offset(),
        tensor.shape,
        tensor.stride(),
        tensor.dtype,
    )


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """
    Write a safetensors file; the order of `tensors` does not matter, and no date or version is written.

    Raises:
        OSError: the disk is full, read-only, …
    """
    from safetensors.torch import save_file  # noqa: PLC0415 - imports torch

    try:
        save_file(_apart(tensors), path)
    except SafetensorError as error:
        found = _OS_ERROR.search(str(error))  # the library turns the system's errors into text
        if found is None:
            raise
        raise OSError(int(found[1]), str(error), str(path)) from error
    # The library leaves files that only their owner may read; give them the folder's permissions, as open() would.
    path.chmod(path.parent.stat().st_mode & 0o666)


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return contiguous tensors on the CPU, no two in one memory, which the library refuses."""
    apart = {}
    memories = set()
    for name, tensor in tensors.items():
        plain = tensor.cpu().contiguous()
        memory = plain.untyped_storage().data_ptr()
        apart[name] = plain.clone() if memory in memories else plain
        memories.add(memory)
    return apart


def full_tensor(_keys: Keys, stored: StoredTensor) -> Tensor:
    """Read all of a tensor, onto the CPU, wherever it is in the state."""
    return stored.full()


def read_state(skeleton: Any, tensors: StoredTensors, reader: TensorReader = full_tensor, keys: Keys = ()) -> Any:
    """
    Put a state together again from its skeleton and its tensors.

    A tensor is read when the skeleton refers to it; tied ones come back as one tensor.

    Args:
        skeleton: of the state.
        tensors: where they are stored.
        reader: reads a tensor.
        keys: what leads to this state.
    """
    placed: dict[str, Tensor] = {}

    def read(name: str, keys: Keys) -> Tensor:
        if name not in placed:
            placed[name] = reader(keys, tensors[name])
        return placed[name]

    return unpack(skeleton, read, keys)


def unpack(skeleton: Any, tensor: Callable[[str, Keys], Tensor], keys: Keys = ()) -> Any:
    """Replace the references of a skeleton by what `tensor` returns for a name and the keys that lead there."""
    if isinstance(skeleton, list):
        return [unpack(each, tensor, (*keys, index)) for index, each in enumerate(skeleton)]
    if not isinstance(skeleton, dict):
        return skeleton
    if "$tensor" in skeleton:
        return tensor(skeleton["$tensor"], keys)
    if "$float" in skeleton:
        return float(skeleton["$float"])
    items = skeleton["$dict"] if "$dict" in skeleton else skeleton.items()
    return {key: unpack(each, tensor, (*keys, key)) for key, each in items}
