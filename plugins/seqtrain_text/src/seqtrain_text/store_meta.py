"""
What is known of a folder of binarised text: `meta.json`, which `binarise` describes.

It holds a hash of every file beside it, and of itself, so that no changed bit is ever trained on.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seqtrain_text.files import READ_SIZE
from seqtrain_text.known_files import ask_once
from seqtrain_text.round_trips import RoundTrips
from seqtrain_text.tokenizer import digest

NAME = "meta.json"


@dataclass
class ColumnCounts:
    """
    What was met in one column, lines that were left out included.

    Args:
        dtype: of the token file.
        tokens: tokens stored, eos included.
        unknown: stored tokens that are unknown.
        empty: lines without a token, or of blanks alone.
        first_empty: the first such line's number, 0 where there is none.
        too_long: lines above the limit.
        first_too_long: the first such line's number, 0 where there is none.
        round_trips: how a sample of the lines comes back from its tokens; None: nobody looked.
    """

    dtype: str
    tokens: int = 0
    unknown: int = 0
    empty: int = 0
    first_empty: int = 0
    too_long: int = 0
    first_too_long: int = 0
    round_trips: RoundTrips | None = None


@dataclass
class StoreMeta:
    """Lines read, rows kept, and the counts of each column."""

    lines: int
    rows: int
    columns: list[ColumnCounts]


def write_meta(folder: Path, meta: StoreMeta, cache: Path) -> None:
    """
    Write what is known of a folder that is otherwise finished, and have all of it on the disk.

    Args:
        folder: the folder.
        meta: what is known of it.
        cache: where other processes are told the hashes; see `ask_once`.
    """
    record: dict[str, Any] = asdict(meta)
    record["files"] = {path.name: _content(path, cache) for path in sorted(folder.iterdir())}
    record["sha256"] = _own_hash(record)
    (folder / NAME).write_text(json.dumps(record, indent=1), encoding="utf-8")
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def read_meta(folder: Path, cache: Path) -> StoreMeta:
    """
    Read what is known of a folder, and check that all files in it are what was written.

    Args:
        folder: the folder.
        cache: where other processes tell the hashes; see `ask_once`.

    Raises:
        ValueError: one is not, or is missing; the message says which.
    """
    try:
        record = json.loads((folder / NAME).read_bytes())
        own_hash = record.pop("sha256")
        if own_hash != _own_hash(record):
            raise ValueError("it is not what was written")  # noqa: TRY301 - told like all else
        files = record.pop("files")
        changed = [name for name, content in files.items() if _content(folder / name, cache) != content]
        meta = StoreMeta(**record)
        meta.columns = [_counts(**counts) for counts in record["columns"]]
    except (OSError, TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"cannot read {NAME} and what it tells of: {type(error).__name__}: {error}") from error
    if changed:
        raise ValueError(f"{', '.join(changed)} is not what was written")
    return meta


def _counts(round_trips: Mapping[str, Any] | None, **counts: Any) -> ColumnCounts:
    return ColumnCounts(**counts, round_trips=None if round_trips is None else RoundTrips.of_json(round_trips))


def _content(path: Path, cache: Path) -> str:
    return str(ask_once(cache, path, "sha256", lambda: _hash(path)))


def _hash(path: Path) -> str:
    content = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(READ_SIZE):
            content.update(block)
    return content.hexdigest()


def _own_hash(record: Mapping[str, Any]) -> str:
    return digest(json.dumps(record, sort_keys=True).encode())
