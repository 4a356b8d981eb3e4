"""What hooks see of the trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import nn

from seqtrain.protocols.training import Criterion
from seqtrain.training.progress import Progress


class Trainer(Protocol):
    """The part of `seqtrain.trainer.Trainer` that a callback or tracker may rely on."""

    @property
    def model(self) -> nn.Module:
        """The model that is trained."""

    @property
    def criterion(self) -> Criterion:
        """The loss."""

    @property
    def progress(self) -> Progress:
        """Where the run stands."""

    @property
    def measures(self) -> Mapping[str, float]:
        """Measures of the validation at the present step; empty if there was none."""

    @property
    def higher_is_better(self) -> frozenset[str]:
        """The validation measures of which more is better; less is better of the others."""

    @property
    def stop_reason(self) -> str | None:
        """Why the run ends; None while it does not."""

    @property
    def reached_limit(self) -> bool:
        """Whether the run ends because it is done, not because it was interrupted."""

    def stop(self, reason: str, *, interrupted: bool = False, exit_code: int = 0) -> None:
        """Ask the run to end after the present step; the first reason stands."""

    def request_checkpoint(self) -> None:
        """Ask for a checkpoint of the present or the next step, whatever the cadence."""
