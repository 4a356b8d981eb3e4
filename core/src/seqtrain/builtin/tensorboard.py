"""The metrics of a run as TensorBoard reads them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from seqtrain.builtin.config import TensorBoardConfig
from seqtrain.plugin import hookimpl

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # tensorboard's own imports are full of deprecations, no business of the user
    from torch.utils.tensorboard import SummaryWriter

if TYPE_CHECKING:
    from seqtrain.trainer import Trainer


class TensorBoard:
    """
    Writes a scalar for each metric.

    The files are opened by the first line of metrics, so that only the process that has metrics writes any.

    Args:
        config: nothing to set.
        folder: where to write, such as RUN/tensorboard.
    """

    def __init__(self, config: TensorBoardConfig, *, folder: Path) -> None:
        self.config = config
        self._folder = folder
        self._writer: SummaryWriter | None = None
        self._purge_step: int | None = None

    @hookimpl
    def seqtrain_run_start(self, trainer: Trainer) -> None:
        """Let a resumed run replace what an earlier one wrote of the steps after the checkpoint."""
        if trainer.progress.step > 0:
            self._purge_step = trainer.progress.step + 1

    @hookimpl
    def seqtrain_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write a line of metrics."""
        if self._writer is None:
            self._writer = SummaryWriter(str(self._folder), purge_step=self._purge_step)
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    @hookimpl
    def seqtrain_run_end(self) -> None:
        """Close the files."""
        self._close()

    @hookimpl
    def seqtrain_run_exception(self) -> None:
        """Close the files."""
        self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
