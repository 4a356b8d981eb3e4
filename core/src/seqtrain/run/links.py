"""What in a run's folder leads out of it, or keeps a reader waiting: the folder may come from a stranger."""

from __future__ import annotations

import stat
from pathlib import Path

from seqtrain.checkpoint.manifest import not_a_plain_file
from seqtrain.errors import CheckpointError


def refuse_links_below(folder: Path, *, but_within: Path | None = None) -> None:
    """
    Raise `CheckpointError` if a folder, or anything in it, is a link, a pipe or a device.

    Args:
        folder: need not be there.
        but_within: links that lead into this folder are let be.
    """
    unseen = [folder]
    while unseen:
        path = unseen.pop()
        try:
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                unseen += path.iterdir()
            elif fault := not_a_plain_file(path):
                inside = (
                    but_within is not None and path != folder and path.resolve().is_relative_to(but_within.resolve())
                )
                if not (stat.S_ISLNK(mode) and inside):
                    raise foreign(path, fault)
        except (FileNotFoundError, NotADirectoryError):  # a run that goes on may have removed it meanwhile
            continue
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read: {error.strerror}. Check its permissions.") from error


def foreign(path: Path, fault: str) -> CheckpointError:
    """Say that something in a run's folder is a link, a pipe or a device, and what to do."""
    return CheckpointError(
        f"{path} {fault}: nothing in a run's folder may lead out of it, or keep a reader waiting. "
        "Put a copy of the file or folder in its place, or remove it."
    )
