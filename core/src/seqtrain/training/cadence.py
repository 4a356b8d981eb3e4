"""When something repeats, as a value: every so many steps, or every so many epochs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqtrain.config.option import option

if TYPE_CHECKING:
    from seqtrain.training.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Every:
    """
    A cadence: every `steps` optimizer steps or every `epochs` epochs; with neither, never.

    It is one value: a later source of configuration that sets one unit clears the other.
    """

    steps: int | None = option(
        None, help="repeat after this many optimizer steps", unit="steps", ge=1, excludes=("epochs",)
    )
    epochs: int | None = option(
        None, help="repeat at the end of every so many epochs", unit="epochs", ge=1, excludes=("steps",)
    )

    def __post_init__(self) -> None:
        if self.steps is not None and self.epochs is not None:
            raise ValueError(f"set steps or epochs, not both (steps={self.steps}, epochs={self.epochs})")

    def due(self, progress: Progress) -> bool:
        """Say whether it is due after the step that `progress` has just counted."""
        if self.steps is not None:
            return progress.step % self.steps == 0
        return self.epochs is not None and progress.epoch_ended and progress.epoch % self.epochs == 0
