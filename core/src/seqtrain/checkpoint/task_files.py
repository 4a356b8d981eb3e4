"""
The files of RUN/task, as far as a checkpoint's weights depend on them.

A vocabulary in another order fits the model as well as the right one, and makes nonsense of every prediction. So each
checkpoint keeps the hashes of these files, and neither resuming nor predicting goes on with others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from seqtrain.checkpoint.atomic_io import NotWrittenError, describe, flush
from seqtrain.checkpoint.checkpoint import Checkpoint
from seqtrain.checkpoint.manifest import file_facts, not_a_plain_file
from seqtrain.errors import CheckpointError

PART = "task"  # of a checkpoint
_PATH = re.compile(r"[^./\0][^/\0]*(/[^./\0][^/\0]*)*")  # into folders, never out of them; nothing hidden


class TaskFiles:
    """
    The hashes of a task's files.

    Args:
        folder: RUN/task, prepared. Plain files in it are the task's, less hidden ones and those added later.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hashes: dict[str, str] = {}  # by path in the folder; found out when they are needed
        self._is_flushed = False

    def state_dict(self) -> dict[str, str]:
        """Return the SHA-256 of each file by its path in the folder."""
        if not self._hashes:
            self._hashes = {path.relative_to(self._folder).as_posix(): _sha256(path) for path in _files(self._folder)}
        return dict(self._hashes)

    def flush(self) -> None:
        """
        Wait until the files, and the folders that they are found by, are on the disk itself.

        Raises:
            NotWrittenError: the disk fails.
        """
        if self._is_flushed:
            return
        files = [self._folder / name for name in self.state_dict()]
        folders = {parent for path in files for parent in path.parents if parent.is_relative_to(self._folder)}
        try:
            for path in (*files, *sorted(folders), self._folder.parent):
                flush(path)
        except OSError as error:
            raise NotWrittenError(f"Cannot write {error.filename}: {describe(error, self._folder)}.") from error
        self._is_flushed = True

    def load_state_dict(self, state: Mapping[str, str]) -> None:
        """
        Check that the files are those of the checkpoint that this state comes from.

        Raises:
            CheckpointError: one is missing or another; the message names it.
            ValueError: the state names what cannot be a file there.
        """
        for name, sha256 in state.items():
            if not (isinstance(name, str) and _PATH.fullmatch(name)):
                raise ValueError(f"it says that {name!r} is a file of {self._folder}, which is refused")
            path = self._folder / name
            if _sha256(path) != sha256:
                raise CheckpointError(
                    f"{path} is not the file that the checkpoint was trained with: a vocabulary or labels that differ "
                    "make nonsense of its weights. Put the run's own task/ folder back, or train anew with --fresh."
                )
        self._hashes = dict(state)


def check_task_files(checkpoint: Checkpoint, folder: Path) -> None:
    """
    Check that the files of RUN/task are those that a checkpoint was trained with, where it says so.

    Raises:
        CheckpointError: one is missing or another; the message names it.
    """
    if PART not in checkpoint.parts:
        return
    state = checkpoint.load(PART)
    if not isinstance(state, dict):
        raise CheckpointError(f"Checkpoint {checkpoint.path} is damaged: {PART!r} in it holds no hashes.")
    try:
        TaskFiles(folder).load_state_dict(state)
    except ValueError as error:
        raise CheckpointError(f"Checkpoint {checkpoint.path} is damaged: {error}.") from error


def _files(folder: Path) -> list[Path]:
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in files if not name.startswith(".")]
    return sorted(path for path in found if not_a_plain_file(path) is None)


def _sha256(path: Path) -> str:
    if fault := not_a_plain_file(path):
        raise CheckpointError(f"{path} {fault}. Copy the whole run folder, task/ included.")
    try:
        return file_facts(path).sha256
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}. Check its permissions.") from error
