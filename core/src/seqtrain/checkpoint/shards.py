"""
Tensors that lie in a checkpoint in shards, as the workers of a run have written them.

A worker with a shard of each weight writes `model-1-of-2.safetensors`, the next one `model-2-of-2.safetensors`: some
consecutive rows of each tensor under the tensor's name. `pieces.json` says what they are shards of::

    {"model.safetensors": {
        "files": ["model-1-of-2.safetensors", "model-2-of-2.safetensors"],
        "tensors": {"embed.weight": {"shape": [5, 8], "rows": [0, 3, 5]}}}}

Rows 0 to 3 (excluded) of the five are in the first file, the rest in the second. A file without a row of any tensor is
not there. Whatever is not cut is in `model.safetensors`, as in every checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open

if TYPE_CHECKING:
    from torch import Tensor

INDEX = "pieces.json"
_LARGEST_HEADER = 32_000_000  # bytes, for some 200,000 tensors


@dataclass(frozen=True)
class Shard:
    """
    Some consecutive rows of a tensor, those of one worker.

    Args:
        rows: they themselves; there may be none.
        shape: of the whole tensor.
    """

    rows: Tensor
    shape: tuple[int, ...]


def boundaries(rows: int, workers: int) -> list[int]:
    """Return where the rows of each worker begin, and the end: torch gives each as many as the first, if there are."""
    most = -(-rows // workers)
    return [min(worker * most, rows) for worker in range(workers + 1)]


def shard_file(file: str, number: int, count: int) -> str:
    """Name the file for what worker `number` of `count`, from 0, has of what would be in `file` if it was whole."""
    stem, _, suffix = file.rpartition(".")
    return f"{stem}-{number + 1}-of-{count}.{suffix}"


def index_entry(file: str, shards: Mapping[str, Shard], count: int) -> dict[str, Any]:
    """Describe the shards of `count` workers, whose own each have the same names and whole shapes."""
    return {
        "files": [shard_file(file, number, count) for number in range(count)],
        "tensors": {
            name: {"shape": list(shard.shape), "rows": boundaries(shard.shape[0], count)}
            for name, shard in shards.items()
        },
    }


@dataclass(frozen=True)
class StoredTensor:
    """
    A tensor in a checkpoint, of which nothing has been read yet.

    Args:
        shape: of all of it.
        slices: what it lies in, each with the number of its first row.
    """

    shape: tuple[int, ...]
    slices: Sequence[tuple[int, Any]]

    def full(self) -> Tensor:
        """Read all of it."""
        return _joined([each[...] for _, each in self.slices])

    def rows(self, begin: int, end: int) -> Tensor:
        """Read the rows from `begin` to `end` (excluded), of a tensor that has rows, and no others."""
        parts = []
        for first, each in self.slices:
            start, stop = max(begin - first, 0), min(end - first, each.get_shape()[0])
            if start < stop:
                parts.append(each[start:stop])
        return _joined(parts or [self.slices[0][1][0:0]])


class StoredTensors:
    """
    The tensors in one file of a checkpoint, and those in shards of it; files are opened when they are needed.

    Args:
        folder: the checkpoint.
        file: the name of the file, such as `model.safetensors`.
        listed: the names of the files in the checkpoint; no other is read.

    Raises:
        OSError, SafetensorError, TypeError, ValueError: a file cannot be read, or is not what we write.
    """

    def __init__(self, folder: Path, file: str, listed: Collection[str]) -> None:
        self._folder, self._file, self._listed = folder, file, listed
        index = json.loads((folder / INDEX).read_text(encoding="utf-8")) if INDEX in listed else {}
        entry = _of_kind(dict, _of_kind(dict, index).get(file, {}))
        self._files = _of_kind(list, entry.get("files", []))
        self._shards = _of_kind(dict, entry.get("tensors", {}))
        self._opened: dict[str, Any] = {}
        self._stack = ExitStack()

    def close(self) -> None:
        """Close the files; what was read stays."""
        self._stack.close()

    def __getitem__(self, name: str) -> StoredTensor:
        """Find a tensor, without reading it."""
        if name in self._shards:
            return self._cut(name)
        whole = self._open(self._file).get_slice(name)
        return StoredTensor(tuple(whole.get_shape()), [(0, whole)])

    def check_shards(self) -> None:
        """Find all that is in shards, so that none is missing or of another shape or type."""
        for name in self._shards:
            self._cut(name)

    def _cut(self, name: str) -> StoredTensor:
        entry = _of_kind(dict, self._shards[name])
        shape, bounds = _sizes(entry.get("shape")), _sizes(entry.get("rows"))
        in_order = bounds == sorted(bounds) and bounds[:1] == [0] and bounds[-1:] == shape[:1]
        if not in_order or len(bounds) != len(self._files) + 1 or bounds[-1] == 0:
            raise ValueError(f"{INDEX} says that {name!r} of shape {shape} is cut at rows {bounds}, which cannot be")
        slices, types = [], set()
        for file, begin, end in zip(self._files, bounds[:-1], bounds[1:], strict=True):
            if begin == end:
                continue
            each = self._open(file).get_slice(name)
            if each.get_shape() != [end - begin, *shape[1:]]:
                raise ValueError(f"{file} holds {name!r} in shape {each.get_shape()}, which is not what {INDEX} says")
            slices.append((begin, each))
            types.add(each.get_dtype())
        if len(types) > 1:
            raise ValueError(f"the shards of {name!r} are of several types: {', '.join(sorted(types))}")
        return StoredTensor(tuple(shape), slices)

    def _open(self, file: str) -> Any:
        if file not in self._listed or Path(file).name != file:
            raise ValueError(f"the checkpoint has no file {file!r}")
        if file not in self._opened:
            _check_header(self._folder / file)
            self._opened[file] = self._stack.enter_context(safe_open(self._folder / file, framework="pt"))
        return self._opened[file]


def _check_header(path: Path) -> None:
    """Refuse a header that is too long to be one of ours, before it is read."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > _LARGEST_HEADER:
        raise ValueError(
            f"{path.name} has a header of {length:,} bytes, and {_LARGEST_HEADER:,} is the most there may be"
        )


def _joined(parts: list[Tensor]) -> Tensor:
    import torch  # noqa: PLC0415 - listing and verifying checkpoints must not wait for it

    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _sizes(value: object) -> list[int]:
    sizes: list[int] = _of_kind(list, value)
    if not all(type(each) is int and each >= 0 for each in sizes):
        raise ValueError(f"{INDEX} has {str(value)[:80]} where sizes should be")
    return sizes


def _of_kind(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{INDEX} has {str(value)[:80]} where a {kind.__name__} should be")
    return value
