"""What lies where in RUN/, who may write there, and how an earlier run is kept."""

from __future__ import annotations

import json
import logging
import os
import platform
import socket
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from seqtrain.checkpoint.atomic_io import make_folder, remove, replace_text, sibling_path, write_new
from seqtrain.checkpoint.catalog import IMPORTED
from seqtrain.checkpoint.manifest import not_a_plain_file
from seqtrain.config.paths import expand_home
from seqtrain.errors import CheckpointError, UsageError
from seqtrain.run.environment import read_environment, with_computing, with_start
from seqtrain.run.links import foreign, refuse_links_below
from seqtrain.run.lock import FolderLock, not_writable

_VERSIONS_OF = ("seqtrain", "torch", "numpy", "safetensors", "omegaconf", "pluggy")

logger = logging.getLogger(__name__)


class RunFolder:
    """
    The folder of one run.

    Args:
        path: RUN; need not exist yet. A relative one is taken from the working directory of now.
    """

    def __init__(self, path: Path) -> None:
        self.path: Path = expand_home(path).absolute()
        self._folder_lock = FolderLock(self._lock)

    @property
    def config(self) -> Path:
        """The resolved configuration; replays the run."""
        return self.path / "config.yaml"

    @property
    def environment(self) -> Path:
        """Versions, plugins, command line, machine and data of the latest start, and the starts before it."""
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

    @property
    def _files(self) -> tuple[Path, ...]:
        """The files that a run keeps in the folder itself."""
        return self.config, self.environment, self.init_from, self.train_log, self.metrics, self._lock

    @property
    def _folders(self) -> tuple[Path, ...]:
        """The folders that a run keeps."""
        return self.task, self.checkpoints, self.tensorboard

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
        """Raise `CheckpointError` unless a run was started here; see also `refuse_links`."""
        self.refuse_links()
        if not self.config.is_file():
            raise CheckpointError(
                f"{self.path} is no run: it has no config.yaml. Name the folder that --run-dir named."
            )

    def refuse_links(self) -> None:
        """
        Make sure that nothing which a run keeps here leads elsewhere: the folder may come from a stranger.

        RUN itself may be a link, as the user has named it.

        Raises:
            CheckpointError: there is a symbolic link, or a pipe or device, where reading could wait for ever.
        """
        for file in self._files:
            if os.path.lexists(file) and (fault := not_a_plain_file(file)):
                raise foreign(file, fault)
        for folder in self._folders:
            refuse_links_below(folder)

    def refuse_output(self, path: Path) -> None:
        """Raise `UsageError` if writing to a path would change what the run keeps, under whatever name."""
        if self._keeps(path):
            raise UsageError(f"--output {path} is a file of the run itself. Choose another --output.")

    def _keeps(self, path: Path) -> bool:
        real, root = Path(os.path.realpath(path)), Path(os.path.realpath(self.path))
        own = {each.relative_to(self.path) for each in (*self._files, *self._folders)}
        if real.is_relative_to(root) and own & {real.relative_to(root), *real.relative_to(root).parents}:
            return True
        if not real.is_file() or real.stat().st_nlink == 1:
            return False
        below = (Path(place, name) for folder in self._folders for place, _, names in os.walk(folder) for name in names)
        return any(each.exists() and real.samefile(each) for each in (*self._files, *below))

    def of_tracker(self, name: str) -> Path:
        """
        Return the folder of a tracker, which may have links within it, as some trackers make them.

        Raises:
            CheckpointError: something in it leads elsewhere.
        """
        folder = self.path / name
        refuse_links_below(folder, but_within=folder)
        return folder

    def create(self) -> None:
        """
        Make the folder and its subfolders where they are missing, and try out whether files can be written.

        Raises:
            UsageError: the path is a file, or its name is not UTF-8.
            CheckpointError: nothing can be written there, or what is there leads elsewhere.
        """
        try:
            os.fsencode(self.path).decode()
        except UnicodeError as error:  # safetensors could not open the files in it
            raise UsageError(f"The name {self.path} is not UTF-8. Choose another --run-dir.") from error
        self.refuse_links()
        probe = sibling_path(self.path / "probe", "tmp")
        try:
            for folder in (self.path, self.task, self.checkpoints):
                make_folder(folder)
            write_new(probe, b"x")  # a full disk still makes empty files
            probe.unlink()
        except (FileExistsError, NotADirectoryError) as error:
            raise UsageError(
                f"{error.filename} is a file, so {self.path} cannot be a run's folder. Choose another --run-dir."
            ) from error
        except OSError as error:
            raise self._not_writable(error) from error
        for file in (self.train_log, self.metrics, self._lock):  # which are written in place
            if file.exists() and file.stat().st_nlink > 1:
                raise CheckpointError(
                    f"{file} has another name elsewhere (a hard link), and writing would change that file too. "
                    f"Make it a file of its own: `cp {file.name} copy && mv copy {file.name}`."
                )

    def lock(self) -> AbstractContextManager[None]:
        """Keep other runs out of this folder; see `FolderLock.hold`."""
        return self._folder_lock.hold()

    def require_own(self) -> None:
        """Make sure that the folder is still the one that this process has locked; see `FolderLock.require_own`."""
        self._folder_lock.require_own()

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
        Add a start to environment.json: with what, by which command, and on which machine.

        Args:
            command: the words of the command line.
            plugins: distribution and version of each plugin, by its id.
        """
        system = os.uname()  # platform.platform() would start a process to say the same
        start = {
            "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "command": list(command),
            "working_directory": str(Path.cwd()),
            "python": platform.python_version(),
            "versions": {name: version(name) for name in _VERSIONS_OF},
            "plugins": dict(sorted(plugins.items())),
            "machine": {
                "host": socket.gethostname(),
                "platform": f"{system.sysname}-{system.release}-{system.machine}-with-{''.join(platform.libc_ver())}",
                "processor": system.machine,
                "cpus": os.cpu_count(),
            },
        }
        self._write_json(self.environment, with_start(self._read_environment(), start))

    def add_to_environment(self, **entries: Any) -> None:
        """Add what was found out since to environment.json."""
        self._write_json(self.environment, {**self._read_environment(), **entries})

    def add_computing(self, computing: Mapping[str, Any]) -> list[str]:
        """Add to environment.json how the latest start computes; return what changed since the one before."""
        record, changed = with_computing(self._read_environment(), computing)
        self._write_json(self.environment, record)
        return changed

    def _read_environment(self) -> dict[str, Any]:
        """Return what environment.json holds; one that cannot be read is set aside, with a warning."""
        try:
            return read_environment(self.environment)
        except OSError as error:
            raise self._not_writable(error) from error
        except ValueError as error:
            aside = _old_name(self.environment)
            logger.warning(
                "%s cannot be read (%s), so what earlier starts ran with is not known. It is now %s.",
                self.environment,
                error,
                aside.name,
            )
            try:
                self.environment.rename(aside)
            except OSError as failure:
                raise self._not_writable(failure) from failure
            return {}

    def write_init_from(self, record: Mapping[str, Any]) -> None:
        """Write init_from.json."""
        self._write_json(self.init_from, record)

    def _write_json(self, path: Path, record: Mapping[str, Any]) -> None:
        try:
            replace_text(path, json.dumps(record, indent=2) + "\n")
        except OSError as error:
            raise self._not_writable(error) from error

    def _not_writable(self, error: OSError) -> CheckpointError:
        return not_writable(self.path, error)


def _old_name(path: Path) -> Path:
    """Return NAME.old-N, the first N that is free."""
    number = 1
    while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    return aside
