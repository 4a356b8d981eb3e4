"""A file that grows while a run goes on, such as metrics.jsonl: records are added whole, or wait until they can be."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import RLock

from seqtrain.checkpoint.atomic_io import NotWrittenError, describe, flush, naming, replace_bytes

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC

logger = logging.getLogger(__name__)


class AppendFile:
    """
    A file that records are added to, each whole or not at all.

    What cannot be written, for one because the disk is full, waits in memory for the next record: this is told once,
    and once more when nothing is missing any longer. Nothing is written any longer once the file's folder was moved,
    deleted or replaced by another, which is not the run's. Any thread may call this.

    Args:
        path: the file; made by the first record.
        when_unwritable: "continue", or "stop" to have `add` raise; as `checkpoint.when_unwritable`.
        makes_folder: its folder is made as well.
    """

    def __init__(self, path: Path, when_unwritable: str = "continue", *, makes_folder: bool = False) -> None:
        self.path = path
        self._may_wait, self._makes_folder = when_unwritable == "continue", makes_folder
        self._waiting: list[bytes] = []
        self._folder: os.stat_result | None = None  # as it was when the first record was written
        self._whole: int | None = None  # bytes up to the last whole record, where more may be in the file
        self._is_told = False
        self._lock = RLock()  # to tell of a failure is to log, which may come back here

    @property
    def is_complete(self) -> bool:
        """Whether nothing waits to be written."""
        return not self._waiting

    def add(self, record: bytes) -> None:
        """
        Add a record, after those that wait.

        Raises:
            NotWrittenError: it cannot be written, and was not to wait; raised once.
        """
        with self._lock:
            self._waiting.append(record)
            try:
                self._write()
            except OSError as error:
                self._tell(self._explained(error))
            else:
                self._tell_of_recovery()

    def flush(self) -> None:
        """
        Wait until all records are on the disk itself, and so is the name of the file.

        Raises:
            NotWrittenError: that is not possible, and was not to wait; raised once.
        """
        try:
            self.finish()
        except NotWrittenError as error:
            self._tell(error)

    def finish(self) -> None:
        """
        Do as `flush` does, where nothing may wait any longer.

        Raises:
            NotWrittenError: that is not possible.
        """
        try:
            with self._lock:
                self._write()
            if self.path.exists():  # without the lock: nobody waits for the disk who only adds
                flush(self.path)
                flush(self.path.parent)
        except OSError as error:
            raise self._explained(error) from error
        self._tell_of_recovery()

    def keep(self, is_wanted: Callable[[bytes], bool]) -> None:
        """
        Write the file anew with the lines that are wanted, if there is any other.

        A last line whose end is missing gets one, or is left out.

        Raises:
            NotWrittenError: it cannot be written.
        """
        with self._lock:
            self._waiting = [record for record in self._waiting if is_wanted(record)]
            try:
                content = self.path.read_bytes() if self.path.exists() else b""
                kept = b"".join(line.rstrip(b"\n") + b"\n" for line in content.split(b"\n") if line and is_wanted(line))
                if kept != content:
                    replace_bytes(self.path, kept)
                    self._whole = None
            except OSError as error:
                raise self._explained(error) from error

    def _write(self) -> None:
        """Write what waits; if that fails, the file ends where it did before."""
        if self._folder is not None and not _is_still(self._folder, self.path.parent):
            self._waiting.clear()
        if not self._waiting:
            return
        with naming(self.path):
            if self._makes_folder:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, _FLAGS, 0o666)
            self._folder = self._folder or self.path.parent.stat()
            try:
                size = os.fstat(descriptor).st_size
                if self._whole is not None and size > self._whole:
                    os.ftruncate(descriptor, self._whole)
                self._whole = size if self._whole is None else min(size, self._whole)
                content = memoryview(b"".join(self._waiting))
                try:
                    while content:
                        content = content[os.write(descriptor, content) :]
                except OSError:
                    with suppress(OSError):  # else the next one does it
                        os.ftruncate(descriptor, self._whole)
                    raise
            finally:
                os.close(descriptor)
        self._waiting.clear()
        self._whole = None

    def _explained(self, error: OSError) -> NotWrittenError:
        return NotWrittenError(f"Cannot write {self.path}: {describe(error, self.path.parent)}.")

    def _tell(self, error: NotWrittenError) -> None:
        """Say what cannot be written, or raise it; nothing where that is known already."""
        if self._is_told:
            return
        self._is_told = True
        if not self._may_wait:
            raise NotWrittenError(
                f"{error} Make room or make it writable, then type the same command again. With "
                "checkpoint.when_unwritable=continue training would go on, and write this when it can."
            ) from error
        logger.error(
            "%s Training goes on; what was to be written is kept in memory, and written when that is possible "
            "(checkpoint.when_unwritable).",
            error,
        )

    def _tell_of_recovery(self) -> None:
        if self._is_told and self.is_complete:
            self._is_told = False
            logger.warning("%s is written again, and lacks nothing.", self.path)


def _is_still(folder: os.stat_result, path: Path) -> bool:
    """Say whether a folder is where it was, which it is taken to be where nobody can tell."""
    try:
        return os.path.samestat(folder, path.stat())
    except FileNotFoundError:
        return False
    except OSError:
        return True
