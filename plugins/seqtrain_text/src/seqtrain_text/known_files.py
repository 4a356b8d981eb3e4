"""
What a process has found out by reading large files, told to the others on its machine as long as it lives.

So of several workers that start on the same corpus one hashes it, and the others take its word: for files that are the
same ones, untouched since. What a dead process has said counts for nothing, so every job reads its files itself.
"""

from __future__ import annotations

import atexit
import json
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from seqtrain.api import DataError
from seqtrain_text.temporary_folder import passing_folders, temporary_folder
from seqtrain_text.tokenizer import digest, write_whole

LARGE = 64 << 20  # bytes: reading less takes no time


def ask_once(cache: Path, path: Path, question: str, find_out: Callable[[], Any]) -> Any:
    """
    Return what is found out about a file, by this process or by a live one that has done so before.

    Args:
        cache: the folder in which processes leave word; nothing is left where it cannot be written.
        path: the file.
        question: the same for all who would find out the same.
        find_out: reads the file; returns what JSON can hold.
    """
    if _size(path) < LARGE:
        return find_out()
    file_as_it_is = _identity(path)
    name = f"{digest(json.dumps([question, file_as_it_is]).encode())}.json"
    for folder in passing_folders(cache):
        with suppress(OSError, ValueError):  # its process may end just now
            return json.loads((folder / name).read_bytes())
    answer = find_out()
    if _identity(path) == file_as_it_is:
        with suppress(OSError, DataError):
            write_whole(_own_folder(cache) / name, json.dumps(answer).encode())
    return answer


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # which whoever reads it will tell of


def _identity(path: Path) -> list[int]:
    """Return what changes when a file is replaced or written to, but not when the folder it lies in gets its name."""
    status = path.stat()
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


_UNTIL_EXIT = ExitStack()
atexit.register(_UNTIL_EXIT.close)


@lru_cache
def _own_folder(cache: Path) -> Path:
    return _UNTIL_EXIT.enter_context(temporary_folder(cache))
