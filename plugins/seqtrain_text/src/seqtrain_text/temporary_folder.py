"""Folders in the cache that are gone when their process is, however that ended."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from seqtrain.api import DataError

_PREFIX = "unfinished-"


@contextmanager
def temporary_folder(cache: Path, content: str = "binarised text") -> Iterator[Path]:
    """
    Make a folder in the cache that is removed at the end, with all that is left in it.

    One that a killed process has left is removed by the next that makes one: nobody holds its lock any more.

    Args:
        cache: where it is made.
        content: what is to be written in it, for the message.

    Raises:
        DataError: the cache, or what is written while the folder is used, cannot be written.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            with _locked(cache, wait=True) as is_ours:  # so that no folder is taken for abandoned before it is locked
                if is_ours:
                    _remove_abandoned(cache)
                passing = TemporaryDirectory(prefix=_PREFIX, dir=cache, ignore_cleanup_errors=True)
                folder = Path(held.enter_context(passing))
                held.enter_context(_locked(folder, wait=False))
            yield folder
    except OSError as error:
        raise DataError(
            f"Cannot write {content} to {cache}: {error.strerror or error}. "
            "Set data.cache_dir=FOLDER to one that can be written and has room."
        ) from error


def passing_folders(cache: Path) -> Iterator[Path]:
    """Yield the folders that live processes have made in the cache, this one's included."""
    for folder in cache.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            with _locked(folder, wait=False) as is_abandoned:
                pass
            if not is_abandoned:
                yield folder


@contextmanager
def _locked(folder: Path, *, wait: bool) -> Iterator[bool]:
    """Hold the lock of a folder, which the system drops with the process; say whether it could be had."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:  # another process has it, or this file system has no locks
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _remove_abandoned(cache: Path) -> None:
    for folder in cache.glob(f"{_PREFIX}*"):
        with suppress(OSError), _locked(folder, wait=False) as is_abandoned:
            if is_abandoned:
                shutil.rmtree(folder, ignore_errors=True)
