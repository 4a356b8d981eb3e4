"""The metrics of a run as TensorBoard reads them."""

from __future__ import annotations

import io
import logging
import os
import socket
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from seqtrain.builtin.config import TensorBoardConfig
from seqtrain.checkpoint.atomic_io import NotWrittenError
from seqtrain.metrics.append_file import AppendFile
from seqtrain.plugin import hookimpl

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of tensorboard's own imports, no business of the user
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # type: ignore[import-untyped]
    from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
    from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from seqtrain.config.schema import RunConfig
    from seqtrain.trainer import Trainer

logger = logging.getLogger(__name__)


class TensorBoard:
    """
    Writes a scalar for each metric.

    Not by a `SummaryWriter`: its thread ends at the first write that fails, with a torn record in the file.

    Args:
        config: nothing to set.
        folder: where to write, such as RUN/tensorboard.
    """

    def __init__(self, config: TensorBoardConfig, *, folder: Path) -> None:
        self.config = config
        self._folder = folder
        self._when_unwritable = "continue"
        self._file: AppendFile | None = None
        self._purge_step: int | None = None

    @hookimpl
    def seqtrain_configure(self, config: RunConfig) -> None:
        """Do as checkpoints do when the disk is full."""
        self._when_unwritable = config.checkpoint.when_unwritable

    @hookimpl
    def seqtrain_run_start(self, trainer: Trainer) -> None:
        """Let a resumed run replace what an earlier one wrote of the steps after the checkpoint."""
        if trainer.progress.step > 0:
            self._purge_step = trainer.progress.step + 1

    @hookimpl
    def seqtrain_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write a line of metrics; the first one makes the file, so that only the process that has any leaves one."""
        if self._file is None:
            self._file = self._start_file()
        values = [Summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
        self._file.add(_record(Event(wall_time=time.time(), step=step, summary=Summary(value=values))))

    @hookimpl
    def seqtrain_run_end(self) -> None:
        """Write what waits; it is the last chance."""
        self._finish()

    @hookimpl
    def seqtrain_run_exception(self) -> None:
        """Write what waits; it is the last chance."""
        self._finish()

    def _finish(self) -> None:
        if self._file is None:
            return
        try:
            self._file.finish()
        except NotWrittenError as error:
            logger.warning("%s TensorBoard lacks the newest metrics; metrics.jsonl is what counts.", error)

    def _start_file(self) -> AppendFile:
        now = time.time()
        name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}.{os.getpid()}.{time.monotonic_ns()}"
        file = AppendFile(self._folder / name, self._when_unwritable, makes_folder=True)
        file.add(_record(Event(wall_time=now, file_version="brain.Event:2")))
        if self._purge_step is not None:
            start = SessionLog(status=SessionLog.START)
            file.add(_record(Event(wall_time=now, step=self._purge_step, session_log=start)))
        return file


def _record(event: Event) -> bytes:
    """Return an event as it lies in the file: with its length and sums to check both by."""
    buffer = io.BytesIO()
    RecordWriter(buffer).write(event.SerializeToString())
    return buffer.getvalue()
