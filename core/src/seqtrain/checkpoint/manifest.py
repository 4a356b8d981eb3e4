"""
The manifest of a checkpoint: what it is, and the size and SHA-256 of each of its files.

`manifest.json` is written last, so a folder without one is unfinished. It carries a hash of itself as well: an edit
or a flipped bit anywhere in a checkpoint is noticed before a single tensor is used.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from seqtrain.errors import CheckpointError

NAME = "manifest.json"
FORMAT = 1
_LARGEST = 16_000_000  # bytes of a manifest; a larger one is not ours
_CHUNK = 1 << 20
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")  # a plain name: no separator, no parent folder, not hidden


class FormatError(CheckpointError):
    """The checkpoint is whole, but of a format that this version does not know."""


@dataclass(frozen=True)
class FileFacts:
    """What a file must be: its size in bytes and its SHA-256 in hexadecimal digits."""

    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """
    What is known of a checkpoint without opening its tensors.

    Args:
        step: optimizer steps taken.
        epoch: the epoch it was saved in, from 1.
        measures: of a validation at this very step; empty if there was none.
        seqtrain: the version that wrote it.
        files: every file but the manifest; what is not listed is never read.
    """

    step: int
    epoch: int
    measures: Mapping[str, float]
    seqtrain: str
    files: Mapping[str, FileFacts]


def write_manifest(
    folder: Path,
    *,
    step: int,
    epoch: int,
    measures: Mapping[str, float],
    files: Mapping[str, FileFacts] | None = None,
) -> None:
    """Describe the files of a checkpoint; by default those that lie in `folder` now."""
    if files is None:
        files = {file.name: file_facts(file) for file in folder.iterdir()}
    record: dict[str, Any] = {
        "format": FORMAT,
        "seqtrain": version("seqtrain"),
        "step": step,
        "epoch": epoch,
        "measures": plain_measures(measures),
        "files": {name: {"size": each.size, "sha256": each.sha256} for name, each in sorted(files.items())},
    }
    record["sha256"] = _digest(record)
    (folder / NAME).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def plain_measures(measures: Mapping[str, float]) -> dict[str, float | str]:
    """Return measures as JSON can hold them: NaN and infinities become strings, which `float` reads back."""
    return {name: float(value) if math.isfinite(value) else str(float(value)) for name, value in measures.items()}


def read_manifest(folder: Path) -> Manifest:
    """
    Read what a checkpoint says of itself; its other files are not looked at.

    Raises:
        FormatError: another version of seqtrain wrote it, in a format that this one does not know.
        CheckpointError: there is no readable manifest, or it was edited.
    """
    record = _read_record(folder)
    try:
        files = {name: FileFacts(int(each["size"]), str(each["sha256"])) for name, each in record["files"].items()}
        return Manifest(
            step=int(record["step"]),
            epoch=int(record["epoch"]),
            measures={str(name): float(value) for name, value in record["measures"].items()},
            seqtrain=str(record["seqtrain"]),
            files=files,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CheckpointError(f"{folder / NAME} lacks an entry or has one of another kind: {error!r}.") from error


def verify(folder: Path) -> Manifest:
    """
    Compare every file with the manifest.

    Raises:
        CheckpointError: names each file that is missing, not a plain file, or of another size or content.
    """
    manifest = read_manifest(folder)
    problems = [text for name, facts in manifest.files.items() if (text := _problem(folder, name, facts))]
    if problems:
        raise CheckpointError(f"Checkpoint {folder} is damaged: {'; '.join(problems)}.")
    return manifest


def _read_record(folder: Path) -> dict[str, Any]:
    path = folder / NAME
    if not folder.is_dir():
        raise CheckpointError(f"There is no checkpoint folder {folder}.")
    try:
        text = read_small(path, _LARGEST)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"Checkpoint {folder} is damaged: {error}.") from error
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(record, dict):
        raise CheckpointError(f"{path} holds no JSON object.")
    if record.pop("sha256", None) != _digest(record):
        raise CheckpointError(f"Checkpoint {folder} is damaged: {NAME} is not what was written (its own hash differs).")
    if record.get("format") != FORMAT:
        raise FormatError(
            f"{path} has format {record.get('format')!r}, written by seqtrain {record.get('seqtrain')}; this version, "
            f"{version('seqtrain')}, reads format {FORMAT}. Install the version that wrote it."
        )
    return record


def _problem(folder: Path, name: str, facts: FileFacts) -> str | None:
    """Say what is wrong with one file, if anything."""
    if not _FILE_NAME.fullmatch(name):
        return f"the manifest lists {name!r}, which is not a plain file name"
    path = folder / name
    if fault := not_a_plain_file(path):
        return f"{name} {fault}"
    try:
        size = path.stat().st_size
        if size != facts.size:
            return f"{name} has {size:,} bytes, the manifest says {facts.size:,}"
        if file_facts(path).sha256 != facts.sha256:
            return f"{name} has other content than was written (its SHA-256 differs from the manifest's)"
    except OSError as error:
        return f"{name} cannot be read ({error.strerror})"
    return None


def not_a_plain_file(path: Path) -> str | None:
    """Refuse links (they may lead anywhere) and pipes (reading one never ends)."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if stat.S_ISLNK(mode):
        return "is a symbolic link, which is refused"
    return None if stat.S_ISREG(mode) else "is not a plain file"


def read_small(path: Path, largest: int) -> str:
    """
    Read a small text file of ours.

    Raises:
        ValueError: it is missing, a link or a pipe, of more than `largest` bytes, or no UTF-8; the message names it.
        OSError: it cannot be read.
    """
    if fault := not_a_plain_file(path):
        raise ValueError(f"{path.name} {fault}")
    with path.open("rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"{path.name} is over {largest:,} bytes, so seqtrain did not write it")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is no text: {error}") from error


def file_facts(path: Path) -> FileFacts:
    """Read a file's size and hash."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return FileFacts(size, digest.hexdigest())


def _digest(record: Mapping[str, Any]) -> str:
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
