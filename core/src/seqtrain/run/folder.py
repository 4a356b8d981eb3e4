"""What lies where in RUN/, who may write there, and how an earlier run is kept."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import platform
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from seqtrain.checkpoint.atomic_io import describe, make_folder, remove, replace_text, sibling_path
from seqtrain.checkpoint.catalog import IMPORTED
from seqtrain.errors import CheckpointError, UsageError

_VERSIONS_OF = ("seqtrain", "torch", "numpy", "safetensors", "omegaconf", "pluggy")
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)  # some network file systems

logger = logging.getLogger(__name__)


class RunFolder:
    """
    The folder of one run.

    Args:
        path: RUN; need not exist yet. A relative one is taken from the working directory of now.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()

    @property
    def config(self) -> Path:
        """The resolved configuration; replays the run."""
        return self.path / "config.yaml"

    @property
    def environment(self) -> Path:
        """Versions, plugins, command line, machine and data of the latest start."""
        return self.path / "environment.json"

    @property
    def init_from(self) -> Path:
        """What was taken over from the run that this one started from, if from any."""
        return self.path / "init_from.json"

    @property
    def train_log(self) -> Path:
        """The log for people."""
        return self.path / "train.log"

    @property
    def metrics(self) -> Path:
        """The log for programs, one JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's files."""
        return self.path / "tensorboard"

    @property
    def task(self) -> Path:
        """Tokenizer, vocabulary, label map: with `checkpoints`, all that predicting needs."""
        return self.path / "task"

    @property
    def checkpoints(self) -> Path:
        """The checkpoints; see `seqtrain.checkpoint.store`."""
        return self.path / "checkpoints"

    @property
    def _lock(self) -> Path:
        """Held by the process that trains here."""
        return self.path / "lock"

    def exists_run(self) -> bool:
        """Say whether a run was started here before."""
        return self.config.exists() or self.has_checkpoints()

    def has_checkpoints(self) -> bool:
        """Say whether anything was learned here, damaged or not."""
        return any(self.checkpoints.glob("step-*"))

    def is_imported(self) -> bool:
        """Say whether the model here was trained elsewhere, so that there is no training to go on with."""
        return (self.checkpoints / IMPORTED).is_dir()

    def require_run(self) -> None:
        """Raise `CheckpointError` unless a run was started here."""
        if not self.config.is_file():
            raise CheckpointError(
                f"{self.path} is no run: it has no config.yaml. Name the folder that --run-dir named."
            )

    def create(self) -> None:
        """
        Make the folder and its subfolders where they are missing, and try out whether files can be written.

        Raises:
            UsageError: the path is a file.
            CheckpointError: nothing can be written there, or what should be a file in it is none.
        """
        probe = sibling_path(self.path / "probe", "tmp")
        try:
            for folder in (self.path, self.task, self.checkpoints):
                make_folder(folder)
            probe.write_bytes(b"x")  # a full disk still makes empty files
            probe.unlink()
        except (FileExistsError, NotADirectoryError) as error:
            raise UsageError(
                f"{error.filename} is a file, so {self.path} cannot be a run's folder. Choose another --run-dir."
            ) from error
        except OSError as error:
            raise self._not_writable(error) from error
        for path in (self.config, self.train_log, self.metrics, self._lock):
            if path.exists() and not path.is_file():
                raise CheckpointError(
                    f"{path} is no file but a folder, a pipe or a device, where training could wait for ever. "
                    "Remove it, or choose another --run-dir."
                )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """
        Keep other runs out of this folder; the system drops the lock with the process, however it ends.

        Raises:
            UsageError: another process trains here.
        """
        path = self._lock
        try:
            file = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise self._not_writable(error) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                # What was typed is at fault, not a file: hence not an error of data or checkpoints.
                raise UsageError(
                    f"Another run is using {self.path}: {_owner(path)}. "
                    "Wait for it, stop it, or choose another --run-dir."
                ) from error
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise self._not_writable(error) from error
                logger.warning("%s cannot be locked (%s); make sure that no other run uses it.", path, error.strerror)
            try:
                file.truncate(0)
                os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            except OSError as error:
                raise self._not_writable(error) from error
            try:
                yield
            finally:
                with suppress(OSError):  # a name that stays there harms nobody
                    file.truncate(0)

    def clear_leftovers(self) -> None:
        """Delete what a killed process left half-written, here or as the task's; for the process with the lock."""
        for folder in (self.path, self.task):
            for hidden in folder.glob(".*.tmp-*"):
                remove(hidden)

    def set_aside(self) -> Path:
        """
        Rename the folder to RUN.old-N, the first N that is free, so that a fresh run loses nothing; return that path.

        Raises:
            UsageError: another process trains here.
            CheckpointError: it cannot be renamed.
        """
        aside = _old_name(self.path)
        with self.lock():
            try:
                self.path.rename(aside)
            except OSError as error:
                raise self._not_writable(error) from error
        return aside

    def set_task_aside(self) -> None:
        """
        Rename what the task has prepared, if anything, to task.old-N.

        Raises:
            CheckpointError: it cannot be renamed.
        """
        if not any(self.task.iterdir()):
            return
        try:
            self.task.rename(_old_name(self.task))
            self.task.mkdir()
        except OSError as error:
            raise self._not_writable(error) from error

    def write_config(self, text: str) -> None:
        """Write config.yaml."""
        try:
            replace_text(self.config, text)
        except OSError as error:
            raise self._not_writable(error) from error

    def write_environment(self, *, command: Sequence[str], plugins: Mapping[str, Mapping[str, str | None]]) -> None:
        """
        Write environment.json: with what, by which command, and on which machine this run was started.

        Args:
            command: the words of the command line.
            plugins: distribution and version of each plugin, by its id.
        """
        record = {
            "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "command": list(command),
            "working_directory": str(Path.cwd()),
            "python": platform.python_version(),
            "versions": {name: version(name) for name in _VERSIONS_OF},
            "plugins": dict(sorted(plugins.items())),
            "machine": {
                "host": socket.gethostname(),
                "platform": platform.platform(),
                "processor": platform.machine(),
                "cpus": os.cpu_count(),
            },
        }
        self._write_json(self.environment, record)

    def add_to_environment(self, **entries: Any) -> None:
        """Add what was found out since to environment.json."""
        record = json.loads(self.environment.read_text(encoding="utf-8"))
        self._write_json(self.environment, {**record, **entries})

    def write_init_from(self, record: Mapping[str, Any]) -> None:
        """Write init_from.json."""
        self._write_json(self.init_from, record)

    def _write_json(self, path: Path, record: Mapping[str, Any]) -> None:
        try:
            replace_text(path, json.dumps(record, indent=2) + "\n")
        except OSError as error:
            raise self._not_writable(error) from error

    def _not_writable(self, error: OSError) -> CheckpointError:
        return CheckpointError(
            f"Cannot write in the run's folder {self.path}: {describe(error, self.path)}. "
            "Make room or make it writable, or choose another --run-dir."
        )


def _old_name(path: Path) -> Path:
    """Return NAME.old-N, the first N that is free."""
    number = 1
    while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    return aside


def _owner(lock: Path) -> str:
    """Read who holds the lock; it may just be taking it and not have written yet."""
    return lock.read_text(encoding="utf-8", errors="replace").strip() or "a process that has just started"
