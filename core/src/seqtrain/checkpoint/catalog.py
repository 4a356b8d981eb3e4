"""Finding checkpoints in a run's folder, without changing anything there."""

from __future__ import annotations

import json
import logging
import math
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from seqtrain.checkpoint.checkpoint import Checkpoint
from seqtrain.checkpoint.manifest import NAME, FormatError, read_small
from seqtrain.config.paths import expand_home
from seqtrain.errors import CheckpointError
from seqtrain.training.cadence import Every

LAST, BEST, RANKING = "last", "best", "ranking.json"
IMPORTED = "imported"  # the checkpoint of a model that was trained elsewhere
DAMAGED = ".damaged"  # in the name of what was set aside
STEP = re.compile(r"step-(\d{8,})")
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")

_LARGEST = 1_000_000  # bytes of a pointer or a ranking; a larger one is not ours

logger = logging.getLogger(__name__)


def step_name(step: int) -> str:
    """Return the folder's name of the checkpoint after `step` steps."""
    return f"step-{step:08d}"


class CheckpointCatalog:
    """
    The checkpoints of a run, for reading.

    Args:
        folder: RUN/checkpoints; see `seqtrain.checkpoint.store` for what lies in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def checkpoints(self) -> list[Checkpoint]:
        """Return the checkpoints of training by step, not verified; one whose manifest is unreadable is left out."""
        return self._readable(self._step_folders())

    def averages(self) -> list[Checkpoint]:
        """Return the averaged and imported checkpoints by name, not verified."""
        return self._readable(self._average_folders())

    def folders(self) -> list[Path]:
        """Return the folders of all checkpoints, good or bad: those of training by step, then averages by name."""
        return [*self._step_folders(), *self._average_folders()]

    def pointer(self, name: str) -> str | None:
        """Return the name that the pointer `last` or `best` holds, or None where there is no such pointer."""
        path = self.folder / name
        if not os.path.lexists(path):
            return None
        try:
            target = read_small(path, _LARGEST).strip()
        except (OSError, ValueError) as error:
            raise CheckpointError(f"The pointer {path} cannot be read: {error}. Delete it.") from error
        if not PLAIN_NAME.fullmatch(target):
            raise CheckpointError(
                f"The pointer {path} holds {target[:80]!r}, which is no checkpoint's name. Delete it."
            )
        return target

    def find(self, name: str) -> Path:
        """
        Return the folder of a checkpoint, not verified.

        Args:
            name: "last", "best", "step-00000500", "500", "imported", an average's name, or a path with a slash in it.

        Raises:
            CheckpointError: there is none; the message lists those there are.
        """
        target: str | None = name
        if name in (LAST, BEST):
            target = self.pointer(name)
        elif re.fullmatch(r"\d{1,18}", name):
            target = step_name(int(name))
        path = Path(expand_home(name)) if os.sep in name else self.folder / (target or name)
        with suppress(OSError):  # a name that is too long
            if path.is_dir():
                return path
        there = [each.name for each in self.folders()]
        listed = f"There are: {', '.join(there)}." if there else "There is none yet."
        raise CheckpointError(f"No checkpoint {name[:80]!r} in {self.folder}. {listed}")

    def default(self) -> Path:
        """
        Return the folder of the best checkpoint, of the last if none is best, not verified.

        Raises:
            CheckpointError: there is neither.
        """
        return self.find(BEST if self.pointer(BEST) else LAST)

    def open(self, name: str) -> Checkpoint:
        """
        Return a checkpoint whose files have all been compared with its manifest; see `find` for names.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        path = self.find(name)
        try:
            return Checkpoint.verified(path)
        except FormatError:
            raise
        except CheckpointError as error:
            others = [each.name for each in self.folders() if each != path]
            hint = f" Name another one: {', '.join(others)}." if others else ""
            raise CheckpointError(f"{error}{hint}") from error

    def best_good(self) -> Checkpoint:
        """
        Return the best checkpoint if it is whole, else the last, else the newest that is; a warning says so.

        Raises:
            CheckpointError: there is none, or none is whole.
        """
        pointed = [self.folder / name for name in (self.pointer(BEST), self.pointer(LAST)) if name]
        reasons: list[str] = []
        for path in dict.fromkeys([*pointed, *reversed(self._step_folders())]):
            try:
                good = Checkpoint.verified(path)
            except FormatError:
                raise
            except CheckpointError as error:
                reasons.append(str(error))
                continue
            for reason in reasons:
                logger.warning("%s Using %s instead.", reason, good.name)
            return good
        why = " ".join(reasons) or "There is none yet."
        raise CheckpointError(f"No checkpoint in {self.folder} can be used. {why}")

    def ranked(self) -> list[Checkpoint]:
        """Return the measured checkpoints, best first, by the measure that the run itself goes by."""
        path = self.folder / RANKING
        if not os.path.lexists(path):
            return []
        by_name = {each.name: each for each in self.checkpoints()}
        try:
            names = json.loads(read_small(path, _LARGEST))["names"]
            return [by_name[name] for name in names if name in by_name]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise CheckpointError(
                f"{path} cannot be read ({type(error).__name__}: {error}). Name the checkpoints instead."
            ) from error

    def _step_folders(self) -> list[Path]:
        """Return the folders of training's checkpoints by step, good or bad."""
        steps = [(int(match[1]), each) for each in self._folders() if (match := STEP.fullmatch(each.name))]
        return [folder for _, folder in sorted(steps)]

    def _average_folders(self) -> list[Path]:
        others = (each for each in self._folders() if not STEP.fullmatch(each.name) and DAMAGED not in each.name)
        return sorted(each for each in others if (each / NAME).exists())

    def _readable(self, folders: Sequence[Path]) -> list[Checkpoint]:
        found = []
        for folder in folders:
            try:
                found.append(Checkpoint.read(folder))
            except CheckpointError as error:
                logger.warning("Leaving out a checkpoint. %s", error)
        return found

    def _folders(self) -> list[Path]:
        return [each for each in self._entries() if each.is_dir() and not each.name.startswith(".")]

    def _entries(self) -> list[Path]:
        try:
            return list(self.folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CheckpointError(f"Cannot list {self.folder}: {error.strerror}.") from error


def ranking(checkpoints: Sequence[Checkpoint], metric: str, *, higher_is_better: bool) -> list[Checkpoint]:
    """
    Sort the checkpoints that have the measure, best first; of equal ones the earlier is the better.

    One saved without a validation, or whose measure is NaN, is not ranked.
    """
    measured = [each for each in checkpoints if not math.isnan(each.measures.get(metric, math.nan))]
    sign = -1 if higher_is_better else 1
    return sorted(measured, key=lambda each: (sign * each.measures[metric], each.step))


def retained(checkpoints: Sequence[Checkpoint], *, keep_last: int, keep_every: Every) -> set[str]:
    """
    Name the checkpoints that stay whatever their measures are.

    Args:
        checkpoints: all there are, by step.
        keep_last: this many of the newest.
        keep_every: those at a multiple of so many steps; or the last of each epoch at a multiple of so many epochs.
    """
    kept = {each.name for each in checkpoints[max(0, len(checkpoints) - keep_last) :]}
    if keep_every.steps is not None:
        kept |= {each.name for each in checkpoints if each.step % keep_every.steps == 0}
    if keep_every.epochs is not None:
        last_of_epoch = {each.epoch: each.name for each in checkpoints}
        kept |= {name for epoch, name in last_of_epoch.items() if epoch % keep_every.epochs == 0}
    return kept
