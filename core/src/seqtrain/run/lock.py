"""Who may write in a run's folder: the one process that holds its lock, as long as the folder is still there."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seqtrain.checkpoint.atomic_io import describe
from seqtrain.errors import CheckpointError, TrainingError, UsageError

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)  # some network file systems

logger = logging.getLogger(__name__)


class FolderLock:
    """
    The lock of a run's folder.

    Args:
        file: RUN/lock.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._folder = file, file.parent
        self._held: os.stat_result | None = None  # of the file, while this process holds the lock

    @contextmanager
    def hold(self) -> Iterator[None]:
        """
        Keep other runs out of the folder; the system drops the lock with the process, however it ends.

        Raises:
            UsageError: another process trains here.
        """
        try:
            file = self._file.open("a+", encoding="utf-8")
        except OSError as error:
            raise not_writable(self._folder, error) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                # What was typed is at fault, not a file: hence not an error of data or checkpoints.
                raise UsageError(
                    f"Another run is using {self._folder}: {_owner(self._file)}. "
                    "Wait for it, stop it, or choose another --run-dir."
                ) from error
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise not_writable(self._folder, error) from error
                logger.warning(
                    "%s cannot be locked (%s); make sure that no other run uses it.", self._file, error.strerror
                )
            try:
                file.truncate(0)
                os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            except OSError as error:
                raise not_writable(self._folder, error) from error
            self._held = os.fstat(file.fileno())
            try:
                yield
            finally:
                self._held = None
                with suppress(OSError):  # a name that stays there harms nobody
                    file.truncate(0)

    def require_own(self) -> None:
        """
        Make sure, where this process holds the lock, that the folder is still the one that it has locked.

        Raises:
            TrainingError: it was moved, deleted, or replaced by another.
        """
        if self._held is None:
            return
        try:
            if os.path.samestat(self._held, self._file.stat()):
                return
            what = "replaced by another"
        except FileNotFoundError:
            what = "moved or deleted"
        except OSError as error:
            raise not_writable(self._folder, error) from error
        raise TrainingError(
            f"{self._folder} was {what} while this run trained in it, so the run ends and writes nothing more there. "
            "Put the folder back and type the same command again, which resumes from its newest checkpoint."
        )


def not_writable(folder: Path, error: OSError) -> CheckpointError:
    """Say that nothing can be written in a run's folder, and what to do."""
    return CheckpointError(
        f"Cannot write in the run's folder {folder}: {describe(error, folder)}. "
        "Make room or make it writable, or choose another --run-dir."
    )


def _owner(lock: Path) -> str:
    """Read who holds the lock; it may just be taking it and not have written yet."""
    return lock.read_text(encoding="utf-8", errors="replace").strip() or "a process that has just started"
