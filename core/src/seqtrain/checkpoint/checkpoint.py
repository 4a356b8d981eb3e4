"""One checkpoint on disk: what it says of itself, and its state, read part by part."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from seqtrain.checkpoint.atomic_io import flush
from seqtrain.checkpoint.manifest import FileFacts, Manifest, file_facts, read_manifest, verify
from seqtrain.checkpoint.shards import INDEX, StoredTensors, index_entry, shard_file
from seqtrain.checkpoint.tensors import Packer, TensorReader, full_tensor, read_state, write_tensors
from seqtrain.errors import CheckpointError
from seqtrain.workers.group import ALONE, WorkerGroup

STATE = "state.json"
_OWN_FILE = ("model", "optimizer")  # parts whose tensors others may want to read alone
_REST = "state.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """
    A checkpoint folder.

    Args:
        path: the folder.
        manifest: what its manifest says.
    """

    path: Path
    manifest: Manifest

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read the manifest alone, as for a listing; nothing is verified."""
        return cls(path, read_manifest(path))

    @classmethod
    def verified(cls, path: Path) -> Checkpoint:
        """Compare every file with the manifest, then return the checkpoint."""
        return cls(path, verify(path))

    @property
    def name(self) -> str:
        """The folder's name, such as `step-00000500`."""
        return self.path.name

    @property
    def step(self) -> int:
        """Optimizer steps taken."""
        return self.manifest.step

    @property
    def epoch(self) -> int:
        """The epoch it was saved in, from 1."""
        return self.manifest.epoch

    @property
    def measures(self) -> Mapping[str, float]:
        """Measures of the validation at this step; empty if there was none."""
        return self.manifest.measures

    @property
    def size(self) -> int:
        """Bytes on disk, the manifest left out."""
        return sum(each.size for each in self.manifest.files.values())

    @property
    def parts(self) -> list[str]:
        """The names that `load` takes, such as "model", "optimizer" and "progress"."""
        return list(self._skeletons())

    def load(self, part: str, reader: TensorReader = full_tensor) -> Any:
        """
        Return the state of one part, whichever workers have written it.

        Args:
            part: its name.
            reader: reads its tensors; by default whole, onto the CPU.

        Raises:
            CheckpointError: there is no such part, or it cannot be read.
        """
        skeletons = self._skeletons()
        if part not in skeletons:
            raise CheckpointError(f"Checkpoint {self.path} holds no {part!r}, but {', '.join(skeletons)}.")
        try:
            with closing(StoredTensors(self.path, _tensor_file(part), self.manifest.files)) as tensors:
                return read_state(skeletons[part], tensors, reader, (part,))
        except (OSError, SafetensorError, TypeError, ValueError, RecursionError) as error:
            raise CheckpointError(f"Cannot read {part!r} from checkpoint {self.path}: {error}.") from error

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """
        Return the shapes of the model's weights by name, from the headers of the files alone.

        Raises:
            CheckpointError: they cannot be read, or are of no model.
        """
        shapes = self.load("model", lambda _, stored: stored.shape)  # type: ignore[arg-type, return-value]
        if not isinstance(shapes, dict) or not all(isinstance(each, tuple) for each in shapes.values()):
            raise CheckpointError(f"Checkpoint {self.path} holds no weights of a model.")
        return shapes

    def _skeletons(self) -> dict[str, Any]:
        path = self.path / STATE
        try:
            skeletons = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise CheckpointError(f"Cannot read {path}: {error}.") from error
        if not isinstance(skeletons, dict):
            raise CheckpointError(f"{path} holds no JSON object.")
        return skeletons


def write_state(folder: Path, state: Mapping[str, Any], group: WorkerGroup = ALONE) -> dict[str, FileFacts]:
    """
    Write the files that `Checkpoint.load` reads, or this worker's share of them, onto the disk itself.

    A safetensors file is written only if it has tensors.

    Args:
        folder: an empty folder.
        state: the parts by name; for several workers, what `local_shards` returns of them.
        group: who writes the checkpoint.

    Returns:
        What the manifest is to say of each file.
    """
    skeletons, packers = _pack(state)
    written = []
    for file, packer in packers.items():
        own_file = shard_file(file, group.rank, group.world_size)
        rows = {name: shard.rows for name, shard in packer.shards.items() if shard.rows.numel()}
        for name, tensors in ((file, packer.tensors), (own_file, rows)):
            if tensors:
                write_tensors(folder / name, tensors)
                written.append(name)
    if group.rank == 0:
        count = group.world_size
        index = {file: index_entry(file, packer.shards, count) for file, packer in packers.items() if packer.shards}
        for name, content in {STATE: skeletons, **({INDEX: index} if index else {})}.items():
            (folder / name).write_text(json.dumps(content, allow_nan=False) + "\n", encoding="utf-8")
            written.append(name)
    for name in written:
        flush(folder / name)
    return {name: file_facts(folder / name) for name in written}


def _pack(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Packer]]:
    """Return the skeleton of each part, and the packer for each file of tensors."""
    skeletons = {}
    packers: dict[str, Packer] = {}
    for part, value in state.items():
        packer = packers.setdefault(_tensor_file(part), Packer())
        skeletons[part] = packer.pack(value, () if part in _OWN_FILE else (part,))
    return skeletons, packers


def check_shards(folder: Path, files: Collection[str]) -> None:
    """
    Compare what lies in shards in a folder with what its index says, without reading more than shapes and types.

    Raises:
        CheckpointError: they do not go together.
    """
    for file in map(_tensor_file, (*_OWN_FILE, _REST)):
        try:
            with closing(StoredTensors(folder, file, files)) as tensors:
                tensors.check_shards()
        except (SafetensorError, TypeError, ValueError) as error:
            raise CheckpointError(f"The workers' shards of {file} do not make a whole: {error}.") from error


def _tensor_file(part: str) -> str:
    return f"{part}.safetensors" if part in _OWN_FILE else _REST
