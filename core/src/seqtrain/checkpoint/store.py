"""
The folder of a run's checkpoints: saving, finding, falling back, and deleting.

    step-00000500/     a checkpoint: manifest.json model.safetensors optimizer.safetensors state.safetensors state.json
    average-last-5/    the mean of several; good for predicting, never resumed from and never deleted
    imported/          a model from elsewhere; likewise, and the only checkpoint of its folder
    last, best         pointers: text files that hold a checkpoint's name
    ranking.json       the measured checkpoints, best first
    step-00000400.damaged/   set aside, with REASON.txt
    .step-00000600.tmp-4711/ being written, or left by a killed process

A checkpoint is written under a hidden name, flushed and renamed; then `last` moves; only then are old ones deleted.
At every moment in between, the newest complete checkpoint can be found and read. Workers that hold a part of the model
each write it into the hidden folder; the main one does the rest, once all have said that theirs is on the disk.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seqtrain.checkpoint.atomic_io import (
    NotWrittenError,
    describe,
    discard,
    publish,
    recover,
    remove,
    replace_text,
    sibling_path,
    write_new,
)
from seqtrain.checkpoint.catalog import (
    BEST,
    DAMAGED,
    IMPORTED,
    LAST,
    PLAIN_NAME,
    RANKING,
    STEP,
    CheckpointCatalog,
    ranking,
    retained,
    step_name,
)
from seqtrain.checkpoint.checkpoint import Checkpoint, check_shards, write_state
from seqtrain.checkpoint.coordination import on_all_workers, on_main_worker
from seqtrain.checkpoint.manifest import FileFacts, FormatError, write_manifest
from seqtrain.checkpoint.task_files import PART, TaskFiles
from seqtrain.errors import CheckpointError, UsageError
from seqtrain.training.cadence import Every
from seqtrain.workers.group import ALONE, WorkerGroup

_HIDDEN = re.compile(r"\.(?P<name>.+)\.(?P<kind>tmp|old)-\d+")
_NEVER = Every()

logger = logging.getLogger(__name__)


class CheckpointStore(CheckpointCatalog):
    """
    The checkpoints of a run, for the process that holds the run's lock; its folder is made by the first save.

    `save_average` alone may be called while another process trains, and `save` by the other workers of the run.
    """

    def save(
        self,
        step: int,
        epoch: int,
        state: Mapping[str, Any],
        measures: Mapping[str, float],
        group: WorkerGroup = ALONE,
    ) -> Path:
        """
        Save a checkpoint and point `last` at it; one of the same step is replaced.

        Args:
            step: optimizer steps taken.
            epoch: the current epoch, from 1.
            state: a state dict by part, such as "model", "optimizer", "progress".
            measures: of a validation at this very step; empty if there was none.
            group: who saves it, each with its share of the state (`local_shards`).

        Raises:
            NotWrittenError: it cannot be written, for one because the disk is full. Earlier ones are untouched.
            CheckpointError: the state holds what no checkpoint can.
        """
        path = self._write(step_name(step), step=step, epoch=epoch, state=state, measures=measures, group=group)
        on_main_worker(group, lambda: self._point(LAST, path.name))
        return path

    def save_average(self, name: str, weights: Mapping[str, Any], sources: Sequence[Checkpoint]) -> Path:
        """
        Save averaged weights as a checkpoint that `open(name)` finds; an earlier one of that name is replaced.

        Raises:
            UsageError: the name is used by something else.
            CheckpointError: it cannot be written.
        """
        reserved = (
            name in (LAST, BEST, IMPORTED) or name.isdecimal() or name.startswith("step-") or name.endswith(DAMAGED)
        )
        if reserved or not PLAIN_NAME.fullmatch(name):
            raise UsageError(
                f"An average cannot be called {name!r}. Use letters, digits, '.', '_' and '-', starting with a letter "
                "or digit, and neither a number, 'last', 'best', 'imported', nor a name of training's own such as "
                "'step-00000500'."
            )
        self._clear_leftovers(lambda of: of == name)
        newest = max(sources, key=lambda each: each.step)
        state = {"model": weights, "average_of": [each.name for each in sources]}
        if PART in newest.parts:
            state[PART] = newest.load(PART)
        return self._write(name, step=newest.step, epoch=newest.epoch, state=state, measures={})

    def save_imported(self, weights: Mapping[str, Any], task_files: TaskFiles) -> Path:
        """
        Save the weights of a model that was trained elsewhere, and point `last` at them.

        Args:
            weights: of the model.
            task_files: what goes with them.

        Raises:
            CheckpointError: they cannot be written.
        """
        path = self._write(
            IMPORTED, step=0, epoch=1, state={"model": weights, PART: task_files.state_dict()}, measures={}
        )
        self._point(LAST, IMPORTED)
        return path

    def newest_good(self) -> Checkpoint | None:
        """
        Return the newest checkpoint of training that is whole; None if nothing was ever saved here.

        Newer ones that are damaged are set aside under another name, with the reason, and a warning says so.

        Raises:
            CheckpointError: there are checkpoints, but none is whole. A run never starts over by itself.
        """
        self._clear_leftovers(lambda of: STEP.fullmatch(of) is not None or of in (LAST, BEST, RANKING))
        damaged: dict[Path, str] = {}
        for path in reversed(self._step_folders()):
            try:
                good = Checkpoint.verified(path)
            except FormatError:  # whole, only too new: falling back would throw away what was learned since
                raise
            except CheckpointError as error:
                damaged[path] = str(error)
                continue
            for each, reason in damaged.items():
                self._set_aside(each, reason, instead=good.name)
            self._mend_pointers(good)
            return good
        earlier = [each for each in self._folders() if DAMAGED in each.name]
        if damaged or earlier:
            reasons = (
                " ".join(damaged.values()) or f"{', '.join(each.name for each in earlier)} were set aside earlier."
            )
            raise CheckpointError(
                f"No checkpoint in {self.folder} can be used. {reasons} "
                "Put back a copy of one, or start over with --fresh, which keeps this run under another name."
            )
        return None

    def retain(
        self, *, keep_last: int, keep_best: int, metric: str, higher_is_better: bool, keep_every: Every = _NEVER
    ) -> None:
        """
        Point `best` at the best checkpoint and delete those that need not stay.

        Args:
            keep_last: the newest to keep, >= 1.
            keep_best: the best to keep by `metric`, >= 0.
            metric: a measure's name; checkpoints without it are never among the best.
            higher_is_better: more of the measure is better.
            keep_every: those to keep for good, in steps or epochs.
        """
        checkpoints = self.checkpoints()
        ranked = ranking(checkpoints, metric, higher_is_better=higher_is_better)
        kept = retained(checkpoints, keep_last=keep_last, keep_every=keep_every)
        kept |= {each.name for each in ranked[:keep_best]}
        ranked = [each for each in ranked if each.name in kept]
        if ranked:
            self._point(BEST, ranked[0].name)
        record = {"metric": metric, "higher_is_better": higher_is_better, "names": [each.name for each in ranked]}
        self._replace(RANKING, json.dumps(record) + "\n")
        kept |= {name for name in (self.pointer(LAST), self.pointer(BEST)) if name}
        for checkpoint in checkpoints:
            if checkpoint.name not in kept:
                self._delete(checkpoint)

    def _write(
        self,
        name: str,
        *,
        step: int,
        epoch: int,
        state: Mapping[str, Any],
        measures: Mapping[str, float],
        group: WorkerGroup = ALONE,
    ) -> Path:
        final = self.folder / name
        temporary = self.folder / on_main_worker(group, lambda: self._make_temporary(final).name)

        @self._explaining(final)
        def write() -> dict[str, Any]:
            return {file: asdict(facts) for file, facts in write_state(temporary, state, group).items()}

        @self._explaining(final)
        def complete() -> None:
            check_shards(temporary, files)
            write_manifest(temporary, step=step, epoch=epoch, measures=measures, files=files)
            publish(temporary, final)

        try:
            shares = on_all_workers(group, write)
            files = {file: FileFacts(**facts) for share in shares for file, facts in share.items()}
            on_main_worker(group, complete)
        finally:
            if group.rank == 0:
                remove(temporary)
        return final

    def _make_temporary(self, final: Path) -> Path:
        temporary = sibling_path(final, "tmp")
        with self._explaining(final):
            remove(temporary)
            self.folder.mkdir(exist_ok=True)  # but not RUN, which is not to come back where somebody has moved it
            temporary.mkdir()
        return temporary

    @contextmanager
    def _explaining(self, path: Path) -> Iterator[None]:
        """Say of an error of the system what could not be written, and what remains."""
        try:
            yield
        except OSError as error:
            raise self._cannot_write(path, error) from error

    def _cannot_write(self, path: Path, error: OSError) -> NotWrittenError:
        remaining = [each.name for each in self.checkpoints()]
        good = f"{remaining[-1]} is untouched" if remaining else "No earlier one exists"
        return NotWrittenError(
            f"Cannot write {path}: {describe(error, self.folder)}. {good}. "
            "Make room or make the folder writable, then type the same command again."
        )

    def _point(self, pointer: str, name: str) -> None:
        self._replace(pointer, name + "\n")

    def _replace(self, name: str, text: str) -> None:
        with self._explaining(self.folder / name):
            replace_text(self.folder / name, text)

    def _delete(self, checkpoint: Checkpoint) -> None:
        try:
            discard(checkpoint.path)
        except OSError as error:  # clutter, not harm: training goes on
            logger.warning("Cannot delete the old checkpoint %s: %s", checkpoint.path, error)

    def _set_aside(self, path: Path, reason: str, *, instead: str) -> None:
        aside = path.with_name(path.name + DAMAGED)
        number = 2
        while aside.exists():
            aside = path.with_name(f"{path.name}{DAMAGED}-{number}")
            number += 1
        try:
            path.rename(aside)
            write_new(aside / "REASON.txt", f"{reason}\n".encode())
        except OSError as error:
            logger.warning("%s Using %s instead. It could not be renamed: %s", reason, instead, error)
        else:
            logger.warning("%s Using %s instead; the damaged one is now %s.", reason, instead, aside.name)

    def _mend_pointers(self, good: Checkpoint) -> None:
        """Point `last` at what is used, and drop a `best` whose checkpoint was set aside, or that names none."""
        self._point(LAST, good.name)
        try:
            best = self.pointer(BEST)
            is_good = best is None or (self.folder / best).is_dir()
        except CheckpointError as error:
            logger.warning("%s That is done now; the best one is found out again.", error)
            is_good = False
        if not is_good:
            remove(self.folder / BEST)

    def _clear_leftovers(self, ours: Callable[[str], bool]) -> None:
        """Tidy up after a killed process: what lies under hidden names that belong to `ours`."""
        for hidden in self._entries():
            match = _HIDDEN.fullmatch(hidden.name)
            if match and ours(match["name"]):
                try:
                    recover(hidden, self.folder / match["name"], match["kind"])
                except OSError as error:
                    logger.warning("Cannot tidy up %s: %s", hidden, error)
