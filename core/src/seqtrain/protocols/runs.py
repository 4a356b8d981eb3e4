"""What starts runs elsewhere, and what carries models in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from seqtrain.inference.load import TrainedRun


class Launcher(Protocol):
    """Starts the processes of a run, here or elsewhere; called with its config."""

    def __call__(self, command: Sequence[str], /, *, workers: int, nodes: int) -> int:
        """
        Run a command once for each worker and wait until all have ended.

        Each process finds in its environment what torchrun would put there: RANK, LOCAL_RANK, WORLD_SIZE,
        LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT; and it runs in this working directory, from which the paths in
        a configuration may count.

        While it waits, Ctrl-C raises `KeyboardInterrupt` here, and SIGTERM or SIGHUP `SystemExit`. Either is to be
        passed on, as one SIGTERM to each process, which then saves and ends; processes in a session of their own get
        no second one from the terminal.

        Args:
            command: a program and its arguments; needs no file of this machine but the Python installation.
            workers: processes on each host.
            nodes: hosts.

        Returns:
            0 if all went well, else the exit code of the first process that failed.
        """
        ...


class Exporter(Protocol):
    """Writes a trained model in another program's format; called with its config."""

    def __call__(self, run: TrainedRun, output: Path, /) -> None:
        """
        Write the run's first model.

        Args:
            run: its task, its models in evaluation mode, the configuration they were made from, and the folder that
                the task keeps its files in.
            output: a file or folder that does not exist yet; its parent does.

        Raises:
            ConfigError: the format has no place for a model of this kind or with these settings.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Imported:
    """
    A model from elsewhere, in our terms.

    Args:
        config: the sections that say what it is, as YAML gives them: `{"task": {"name": ...}, "model": ...}`;
            the task's recipe fills in the others.
        weights: tensors by the names they have in that model.
    """

    config: Mapping[str, Any]
    weights: Mapping[str, Tensor]


class Importer(Protocol):
    """Reads a model that another program has trained; called with its config."""

    def __call__(self, source: Path, artifacts: Path, /) -> Imported:
        """
        Read a model.

        Args:
            source: the other program's file or folder.
            artifacts: RUN/task; what the task's `load` reads is to be written there.

        Raises:
            DataError: the source is not of the format, or is damaged.
        """
        ...
