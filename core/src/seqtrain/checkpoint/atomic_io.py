"""Writing so that a crash or a full disk leaves either the old or the new behind, never a half of each."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from seqtrain.errors import CheckpointError, UsageError

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than the limit set for this process (ulimit -f)",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
}
_CANNOT_FLUSH = (errno.EINVAL, errno.EOPNOTSUPP)  # folders on some network file systems


class NotWrittenError(CheckpointError):
    """The disk is full, read-only or out of reach; trying again may help."""


def describe(error: OSError, folder: Path) -> str:
    """Say in words why writing to `folder` failed, with the space that is left."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    try:
        free = shutil.disk_usage(folder).free
    except OSError:  # the folder itself is gone or out of reach
        return reason
    return f"{reason} ({free / 1e6:,.1f} MB free)"


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Let an error of the system name the file, which it does not where that was open already; a text says roughly."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def flush(path: Path) -> None:
    """Wait until a file or a folder's list of names is on the disk itself."""
    with naming(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _CANNOT_FLUSH:
                raise
        finally:
            os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder, and those that it is in, where they are missing; their names are then on the disk itself."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for each in missing:
        flush(each.parent)


def sibling_path(path: Path, kind: str) -> Path:
    """Return a hidden name in the same folder, thus on the same disk: `.NAME.KIND-PID`."""
    return path.with_name(f".{path.name}.{kind}-{os.getpid()}")


def write_new(path: Path, content: bytes) -> None:
    """Write a new file: what has its name already, perhaps a link to another file, is not written through."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def replace_text(path: Path, text: str) -> None:
    """Write a small text file that readers see whole: the old one or the new one."""
    replace_bytes(path, text.encode())


def replace_bytes(path: Path, content: bytes) -> None:
    """Write a small file that readers see whole: the old one or the new one."""
    temporary = sibling_path(path, "tmp")
    try:
        with naming(temporary):
            write_new(temporary, content)
        flush(temporary)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):  # why it was not written matters more
            temporary.unlink(missing_ok=True)
        raise
    flush(path.parent)


def publish(temporary: Path, final: Path) -> None:
    """
    Flush a finished folder and rename it to its final name; a folder of that name is replaced.

    Two folders cannot be swapped in one step. Killed in between, the old one still lies under its hidden name,
    from where `recover` brings it back.
    """
    for file in temporary.iterdir():
        flush(file)
    flush(temporary)
    old = sibling_path(final, "old")
    if final.exists():
        remove(old)
        final.rename(old)
    try:
        temporary.rename(final)
    except OSError:
        if old.exists():
            old.rename(final)
        raise
    flush(final.parent)
    remove(old)


def recover(hidden: Path, final: Path, kind: str) -> None:
    """Tidy up what a killed process left under a hidden name: bring back what it was replacing, or delete it."""
    if kind == "old" and not final.exists():
        hidden.rename(final)
    else:
        remove(hidden)


def discard(folder: Path) -> None:
    """Delete a folder; it is renamed first, so that a kill in between leaves no half of it under its name."""
    doomed = sibling_path(folder, "tmp")
    folder.rename(doomed)
    shutil.rmtree(doomed)


def remove(path: Path) -> None:
    """Delete a file or folder of ours that nobody needs; what cannot be deleted stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


@contextmanager
def finished_as(path: Path) -> Iterator[Path]:
    """
    Give a path of the same name in a hidden folder beside `path`, and move what was made there in the end.

    Raises:
        UsageError: see `refuse_occupied`.
    """
    refuse_occupied(path)
    with TemporaryDirectory(dir=path.parent, prefix=".seqtrain-") as temporary:
        unfinished = Path(temporary) / path.name
        yield unfinished
        refuse_occupied(path)
        unfinished.rename(path)


def refuse_occupied(path: Path) -> None:
    """Raise `UsageError` if there is something at a path already, or no folder to put it in."""
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} is there already. Remove it, or choose another place.")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}. Make it, or choose another place.")
