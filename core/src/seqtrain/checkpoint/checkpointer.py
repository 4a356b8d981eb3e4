"""When checkpoints are saved and which are kept; whether a checkpoint fits a model."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from seqtrain.checkpoint.atomic_io import NotWrittenError
from seqtrain.checkpoint.catalog import ranking
from seqtrain.checkpoint.checkpoint import Checkpoint
from seqtrain.checkpoint.coordination import on_main_worker
from seqtrain.checkpoint.snapshot import Snapshot
from seqtrain.checkpoint.store import CheckpointStore
from seqtrain.checkpoint.task_files import PART as TASK_FILES
from seqtrain.checkpoint.tensors import TensorReader, full_tensor
from seqtrain.config.schema import CheckpointConfig
from seqtrain.errors import CheckpointError, SeqtrainError, did_you_mean
from seqtrain.metrics.best import BestSoFar, Measure
from seqtrain.protocols import Stateful
from seqtrain.training.progress import Progress
from seqtrain.workers.group import WorkerGroup

_ALWAYS_SAVED = ("model", "optimizer", "progress", "data")  # other parts may be newer than a checkpoint
_SHOWN = 5  # names in a message

logger = logging.getLogger(__name__)


class Checkpointer:
    """
    Saves a run's state when due, keeps what is to be kept, and finds the newest.

    A save is a copy of the state, taken between two steps, and a thread that writes it while training continues. One is
    written at a time: the next waits for the one before. Pointers move and old checkpoints are deleted only when the
    new one is on the disk. With `checkpoint.asynchronous=false` the step waits.

    All workers of a run call this at the same steps. Each writes the part of the state that it alone has, the main
    one also what is the same on all; what fails on one of them fails on all.

    Args:
        config: cadence, retention, and what to do when a save fails.
        folder: RUN/checkpoints.
        group: the workers.
        best_metric: the validation measure that says which is best.
        needed: called before a checkpoint is written, on the main worker: each puts on the disk itself what the
            checkpoint is of no use without, or raises where nothing may be written any longer.
    """

    def __init__(
        self,
        config: CheckpointConfig,
        folder: Path,
        group: WorkerGroup,
        best_metric: Measure,
        *,
        needed: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._config = config
        self._needed = needed
        self._store = CheckpointStore(folder)
        self._group = group
        self._best = BestSoFar(best_metric)  # of the checkpoints there are, or are being written
        self._newest_step = 0
        self._requested = False
        self._snapshot = Snapshot()
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._being_written: Future[Path] | None = None
        self._group_of_writers: WorkerGroup | None = None  # by which the threads that write talk to each other
        self.is_written_by_all = False
        """All workers have agreed that the newest checkpoint is written."""

    def due(self, progress: Progress) -> bool:
        """Say whether to save after the step just counted."""
        return self._requested or self._config.save.due(progress)

    def request(self) -> None:
        """Have the present or next step saved, whatever the cadence."""
        self._requested = True

    def request_if_best(self, measures: Mapping[str, float]) -> None:
        """Have the present step saved if its validation is the best so far, so that the best model is never lost."""
        if self._config.keep_best and self._best.update(measures[self._best.measure.name]):
            self.request()

    def save(
        self,
        progress: Progress,
        state: Mapping[str, Stateful],
        measures: Mapping[str, float],
        *,
        is_last: bool = False,
    ) -> Path | None:
        """
        Save a state, unless it is saved already; the save before must have been waited for.

        Args:
            progress: the step that the state is of.
            state: the parts of the run, by name.
            measures: of the validation at this step.
            is_last: see `wait`.

        Returns:
            The checkpoint, if it is written already, as with `checkpoint.asynchronous=false`.

        Raises:
            CheckpointError: it cannot be written, and `checkpoint.when_unwritable=stop`; or a part's state holds what
                no checkpoint can.
        """
        self._requested = False
        if progress.step == self._newest_step:
            return None
        self._group_of_writers = self._group_of_writers or self._group.new_group()
        saved: Any = {name: part.state_dict() for name, part in state.items()}
        if self._group.world_size > 1:
            from seqtrain.checkpoint.sharding import local_shards  # noqa: PLC0415 - takes torch a second, see there

            saved = local_shards(saved, self._group)
        if self._config.asynchronous:
            saved = self._snapshot.take(saved)
        self._newest_step = progress.step
        self.is_written_by_all = False
        self._being_written = self._writer.submit(
            self._write, progress.step, progress.epoch, saved, measures, self._group_of_writers
        )
        return None if self._config.asynchronous else self.wait(is_last=is_last)

    @property
    def is_written(self) -> bool:
        """Whether this worker has written what it was to write."""
        return self._being_written is None or self._being_written.done()

    def poll(self) -> Path | None:
        """Return a checkpoint that has been written since the last call, if all workers have agreed that it is."""
        return self.wait() if self.is_written_by_all else None

    def wait(self, *, is_last: bool = False) -> Path | None:
        """
        Wait until what is being written is on the disk, and return it; None if it was waited for already, or failed.

        Args:
            is_last: no save comes after it, so it may not fail.

        Raises:
            CheckpointError: see `save`.
        """
        if self._being_written is None:
            return None
        written, self._being_written = self._being_written, None
        try:
            return written.result()
        except NotWrittenError as error:
            self._newest_step = 0  # this step may be tried again
            self._best.value = None  # which may have been this step's
            if is_last or self._config.when_unwritable == "stop":
                raise
            if self._group.is_main:
                logger.error(  # noqa: TRY400 - a full disk is no bug of ours: no traceback
                    "%s Training goes on without it and saves again when that is due next "
                    "(checkpoint.when_unwritable).",
                    error,
                )
            return None

    def close(self) -> None:
        """Wait for the thread that writes, when the run has ended by an error that nothing here may hide."""
        self._writer.shutdown()
        if self._being_written is not None and (error := self._being_written.exception()) is not None:
            logger.error("%s", error)

    def newest_good(self) -> Checkpoint | None:
        """Return the newest good checkpoint, which the main worker finds, setting aside what is damaged."""

        def find() -> str | None:
            found = self._store.newest_good()
            return None if found is None else found.name

        name = self._group.by_main(find)
        return None if name is None else Checkpoint.read(self._store.folder / name)

    def default(self) -> Checkpoint:
        """Return the checkpoint that the run is judged by: the best, or the last if none is."""
        return Checkpoint.read(Path(self._group.by_main(lambda: str(self._store.default()))))

    @contextmanager
    def restoring(self, checkpoint: Checkpoint) -> Iterator[None]:
        """
        Let the body load a checkpoint; after it, that one is the newest.

        Raises:
            CheckpointError: it does not fit the run.
        """
        try:
            yield
        except SeqtrainError:
            raise
        except Exception as error:
            raise CheckpointError(
                f"{checkpoint.path} does not fit this run: {error}. Start again with the config.yaml beside it, "
                "or in another --run-dir."
            ) from error
        if self._group.is_main:
            self._retain()  # if the run was killed right after this one was saved, that has not been done yet
        self._newest_step = checkpoint.step
        self._best.value = self._group.by_main(self._best_saved)

    def load(
        self, checkpoint: Checkpoint, model: nn.Module, state: Mapping[str, Stateful], trained: Sequence[Tensor]
    ) -> dict[str, Any]:
        """
        Return the state of each part that a checkpoint has; a part that it does not know starts anew.

        Args:
            checkpoint: of this run.
            model: what the weights are for; tensors are read as it has them, full or sharded.
            state: the parts, by name.
            trained: the model's parameters, in the optimizer's order.

        Raises:
            CheckpointError: the weights do not fit the model.
        """
        newer = [name for name in state if name not in checkpoint.parts and name not in _ALWAYS_SAVED]
        reader = _reader(model, trained, self._group)
        loaded = {name: checkpoint.load(name, reader) for name in state if name not in newer}
        check_match(
            {name: tensor.shape for name, tensor in model.state_dict().items()},
            {name: tensor.shape for name, tensor in loaded["model"].items()},
            str(checkpoint.path),
        )
        if unknown := [name for name in newer if name != TASK_FILES]:  # of which there is nothing to start with
            logger.warning("%s knows nothing of %s: starting anew with it", checkpoint.path, ", ".join(unknown))
        return loaded

    def _write(
        self, step: int, epoch: int, state: Mapping[str, Any], measures: Mapping[str, float], group: WorkerGroup
    ) -> Path:
        """Write a checkpoint and delete what need not stay; runs in the thread."""
        for attempt in range(self._config.retries + 1):
            try:
                on_main_worker(group, self._flush_needed)
                path = self._store.save(step, epoch, state, measures, group)
                on_main_worker(group, self._retain)
            except NotWrittenError as error:
                if attempt == self._config.retries:
                    raise
                seconds = 2**attempt
                logger.warning("%s Trying again in %d s.", error, seconds)
                time.sleep(seconds)
            else:
                return path
        raise AssertionError("the last attempt returns or raises")

    def _flush_needed(self) -> None:
        for flush in self._needed:
            flush()

    def _retain(self) -> None:
        """Point at the best checkpoint and delete what need not stay."""
        self._store.retain(
            keep_last=self._config.keep_last,
            keep_best=self._config.keep_best,
            metric=self._best.measure.name,
            higher_is_better=self._best.measure.higher_is_better,
            keep_every=self._config.keep_every,
        )

    def _best_saved(self) -> float | None:
        """Return the measure of the best checkpoint; None if none has one."""
        name, higher_is_better = self._best.measure.name, self._best.measure.higher_is_better
        ranked = ranking(self._store.checkpoints(), name, higher_is_better=higher_is_better)
        return ranked[0].measures[name] if ranked else None


def _reader(model: nn.Module, trained: Sequence[Tensor], group: WorkerGroup) -> TensorReader:
    """Return what reads the tensors of a checkpoint as the run has them: sharded among workers, or full."""
    if group.world_size == 1:
        return full_tensor
    from seqtrain.checkpoint.sharding import sharded_like  # noqa: PLC0415 - takes torch a second, see there

    return sharded_like(model, trained)


def check_match(
    expected: Mapping[str, Sequence[int]], found: Mapping[str, Sequence[int]], where: str, *, remedy: str = ""
) -> None:
    """
    Compare the weights that a model needs with those that a checkpoint has.

    Args:
        expected: shapes by name, of the model.
        found: shapes by name, of the checkpoint.
        where: the checkpoint, as a message should call it.
        remedy: what to do about it; by default what helps with a checkpoint of our own.

    Raises:
        CheckpointError: names are missing or left over, or shapes differ.
    """
    missing = [name for name in expected if name not in found]
    unexpected = [name for name in found if name not in expected]
    reshaped = [name for name in expected if name in found and tuple(expected[name]) != tuple(found[name])]
    if not (missing or unexpected or reshaped):
        return
    parts = [f"The weights in {where} do not fit this model."]
    if missing:
        meant = did_you_mean(missing[0], unexpected)
        parts.append(f"Missing there: {_some(missing)}.{meant}")
    if unexpected:
        parts.append(f"Unknown here: {_some(unexpected)}.")
    if reshaped:
        shapes = [f"{name} is {tuple(found[name])} there and {tuple(expected[name])} here" for name in reshaped]
        parts.append(f"Other shapes: {_some(shapes)}.")
    if remedy:
        parts.append(remedy)
    elif reshaped and all("position" in name for name in reshaped) and not (missing or unexpected):
        parts.append(
            "Positions that are learned have a row each, so the checkpoint belongs to a model with another longest "
            "sequence. Leave that setting of the task as it was in the run."
        )
    elif reshaped and all(_is_vocabulary(name, expected, found) for name in reshaped) and not (missing or unexpected):
        parts.append(
            "Embeddings have a row for each vocabulary entry, so the checkpoint belongs to another vocabulary. "
            "Use it with the task/ folder of the run that it comes from, or train anew with --fresh."
        )
    else:
        parts.append(
            "It is a checkpoint of another model. Use the config.yaml of the run that it comes from, "
            "or train anew with --fresh."
        )
    raise CheckpointError(" ".join(parts))


def _some(texts: Sequence[str]) -> str:
    shown = "; ".join(islice(texts, _SHOWN))
    return shown if len(texts) <= _SHOWN else f"{shown}; and {len(texts) - _SHOWN} more"


def _is_vocabulary(name: str, expected: Mapping[str, Sequence[int]], found: Mapping[str, Sequence[int]]) -> bool:
    """Guess that a weight has a row for each vocabulary entry: only its first size differs, and so its name says."""
    same_rest = tuple(expected[name])[1:] == tuple(found[name])[1:]
    return same_rest and any(word in name.lower() for word in ("embed", "output", "vocab", "logit"))
