"""One checkpoint on disk: what it says of itself, and its state, read part by part."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from seqtrain.checkpoint.manifest import Manifest, read_manifest, verify
from seqtrain.checkpoint.tensors import Packer, read_state, write_tensors
from seqtrain.errors import CheckpointError

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

    def load(self, part: str) -> Any:
        """
        Return the state of one part; tensors are on the CPU.

        Raises:
            CheckpointError: there is no such part, or it cannot be read.
        """
        skeletons = self._skeletons()
        if part not in skeletons:
            raise CheckpointError(f"Checkpoint {self.path} holds no {part!r}, but {', '.join(skeletons)}.")
        file = _tensor_file(part)
        try:
            return read_state(skeletons[part], self.path / file if file in self.manifest.files else None)
        except (OSError, SafetensorError, TypeError, ValueError, RecursionError) as error:
            raise CheckpointError(f"Cannot read {part!r} from checkpoint {self.path}: {error}.") from error

    def _skeletons(self) -> dict[str, Any]:
        path = self.path / STATE
        try:
            skeletons = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise CheckpointError(f"Cannot read {path}: {error}.") from error
        if not isinstance(skeletons, dict):
            raise CheckpointError(f"{path} holds no JSON object.")
        return skeletons


def write_state(folder: Path, state: Mapping[str, Any]) -> None:
    """
    Write the files that `Checkpoint.load` reads; a safetensors file is written only if it has tensors.

    Args:
        folder: an empty folder.
        state: the parts by name.
    """
    packers: dict[str, Packer] = {}
    skeletons = {}
    for part, value in state.items():
        packer = packers.setdefault(_tensor_file(part), Packer())
        skeletons[part] = packer.pack(value, () if part in _OWN_FILE else (part,))
    for file, packer in packers.items():
        if packer.tensors:
            write_tensors(folder / file, packer.tensors)
    (folder / STATE).write_text(json.dumps(skeletons, allow_nan=False) + "\n", encoding="utf-8")


def _tensor_file(part: str) -> str:
    return f"{part}.safetensors" if part in _OWN_FILE else _REST
