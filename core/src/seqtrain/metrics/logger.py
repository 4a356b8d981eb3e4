"""Metrics on their way out: to metrics.jsonl, the log, the progress bar and the trackers."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pluggy import HookRelay
from torch import Tensor

from seqtrain.batch import Batch, MicroBatchOutput
from seqtrain.data.plan import EpochPlan
from seqtrain.metrics.append_file import AppendFile
from seqtrain.metrics.sums import MetricSums
from seqtrain.protocols import ProgressBar
from seqtrain.training.cadence import Every
from seqtrain.training.progress import Progress
from seqtrain.workers.group import WorkerGroup

logger = logging.getLogger(__name__)


class MetricLogger:
    """
    Adds up what the steps report, and writes it when it is due.

    Three levels, as in fairseq: `train/...` since the line before, `epoch/...` over an epoch, `valid/...`.

    Args:
        group: the workers, whose sums are added up; the main one writes.
        every: when to write the `train/...` measures.
        metrics_file: metrics.jsonl, one object a line.
        hooks: have `seqtrain_metrics` called with each line.
        progress_bar: shows the measures of the newest line.
        before_writing: called before each line, on the main worker; raises where the file is not ours any longer.
    """

    def __init__(
        self,
        group: WorkerGroup,
        every: Every,
        metrics_file: AppendFile,
        hooks: HookRelay,
        progress_bar: ProgressBar,
        before_writing: Callable[[], None] = lambda: None,
    ) -> None:
        self._group = group
        self._before_writing = before_writing
        self._every, self._file, self._hooks, self._progress_bar = every, metrics_file, hooks, progress_bar
        self._interval, self._epoch = MetricSums(), MetricSums()
        self._gradient = MetricSums()
        self._settings: Mapping[str, float] = {"lr": 0.0}
        self._rate = _Rate()

    def add_step(self, outputs: Sequence[MicroBatchOutput], settings: Mapping[str, float], grad_norm: Tensor) -> None:
        """
        Add what one update reported.

        Args:
            outputs: of its micro-batches.
            settings: its learning rate, and whatever else is told as it was in the last update.
            grad_norm: norm of its gradient before clipping, ().
        """
        for output in outputs:
            sample = output.sample
            counts = {"num_tokens": sample.num_tokens, "num_positions": sample.num_positions}
            for sums in (self._interval, self._epoch):
                sums.add({**output.logging_output, **counts}, output.sample_size)
            self._rate.add(sample)
        self._settings = settings
        self._gradient.add({"grad_norm": grad_norm}, 1)
        self._progress_bar.advance()

    def log_plan(self, progress: Progress, plan: EpochPlan) -> None:
        """Write what the epoch is made of; wherever in it a run goes on, its hash is the same."""
        said = (progress.epoch, progress.step, plan.num_micro_batches, plan.num_steps, plan.digest)
        logger.info("epoch %d  step %d  %d batches in %d steps, plan %s", *said)

    def due(self, progress: Progress) -> bool:
        """Say whether there is anything to log after the step just counted."""
        return self._every.due(progress) or progress.epoch_ended

    def log_training(self, progress: Progress) -> None:
        """Write the training measures of the interval and of the epoch, where due."""
        if self._every.due(progress):
            measures = {
                **_measures(self._interval.over(self._group)),
                **self._settings,
                **self._gradient.means(),
                **self._rate.means(self._group),
            }
            self._write("train", {"train": measures}, progress)
            self._interval.reset()
            self._gradient.reset()
            self._rate = _Rate()
        if progress.epoch_ended:
            self._write("epoch", {"epoch": _measures(self._epoch.over(self._group))}, progress, {"plan": progress.plan})
            self._epoch.reset()

    def log_validation(self, progress: Progress, measures: Mapping[str, Mapping[str, float]]) -> None:
        """Write the measures of a validation, by split."""
        for split, values in measures.items():
            self._write(split, {split: values}, progress)

    def log_results(self, progress: Progress, split: str, measures: Mapping[str, float], *, checkpoint: str) -> None:
        """
        Write the measures that a finished run is judged by, with the checkpoint that was measured.

        A run that is started again when it is done measures again: the line there already is replaced.
        """
        place = {"step": progress.step, "split": split}
        if self._group.is_main:
            self._keep(lambda line: "checkpoint" not in line or not place.items() <= line.items())
        self._write(split, {split: measures}, progress, {"checkpoint": checkpoint})
        self.finish()

    @contextmanager
    def validating(self) -> Iterator[None]:
        """Leave the time of a validation out of the training rates."""
        with self._rate.paused():
            yield

    def truncate_after(self, step: int) -> None:
        """Drop lines of metrics.jsonl later than `step`: a resumed run writes them again. A torn last line goes too."""
        if self._group.is_main:
            self._keep(lambda line: _step_of(line) <= step)

    def finish(self) -> None:
        """
        Have all lines written, where none may wait any longer.

        Raises:
            NotWrittenError: that is not possible.
        """
        if self._group.is_main:
            self._file.finish()

    def _keep(self, is_wanted: Callable[[Mapping[str, Any]], bool]) -> None:
        self._file.keep(lambda line: is_wanted(_parsed(line)))

    def state_dict(self) -> dict[str, Any]:
        """Return the sums that the next lines will report, of each worker by itself: so they resume bit for bit."""
        mine = {
            "interval": self._interval.state_dict(),
            "epoch": self._epoch.state_dict(),
            "gradient": self._gradient.state_dict(),
        }
        return mine if self._group.world_size == 1 else {"workers": self._group.all_gather_object(mine)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over saved sums; where there are more or fewer workers now, the main one takes those of all."""
        workers = state.get("workers", [state])
        if len(workers) == self._group.world_size:
            mine = [workers[self._group.rank]]
        else:
            mine = workers if self._group.is_main else []
        self._interval = MetricSums.total(each["interval"] for each in mine)
        self._epoch = MetricSums.total(each["epoch"] for each in mine)
        self._gradient = MetricSums.total([workers[0]["gradient"]])  # which is the same for all

    def _write(
        self,
        split: str,
        measures: Mapping[str, Mapping[str, float]],
        progress: Progress,
        notes: Mapping[str, str] | None = None,
    ) -> None:
        if not self._group.is_main:
            return
        self._before_writing()
        metrics = {f"{prefix}/{name}": value for prefix, values in measures.items() for name, value in values.items()}
        place = {"step": progress.step, "epoch": progress.last_epoch, "split": split, **(notes or {})}
        line = {**place, **metrics, "wall_s": round(progress.train_seconds, 3)}
        self._file.add(json.dumps(line).encode() + b"\n")
        shown = "  ".join(f"{name.rsplit('/', 1)[-1]} {value:.5g}" for name, value in metrics.items())
        logger.info("epoch %d  step %d  %s  %s", progress.last_epoch, progress.step, split, shown)
        self._progress_bar.show(metrics)
        self._hooks.seqtrain_metrics(step=progress.step, metrics=metrics)


class _Rate:
    """Counts against wall time, since it was made; not saved, as no two runs take the same time."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._counts = dict.fromkeys(("tokens_per_s", "sentences_per_s", "source_tokens_per_s"), 0)

    def add(self, sample: Batch) -> None:
        self._counts["tokens_per_s"] += sample.num_target_tokens
        self._counts["sentences_per_s"] += len(sample)
        self._counts["source_tokens_per_s"] += sample.num_source_tokens or 0

    @contextmanager
    def paused(self) -> Iterator[None]:
        paused = time.monotonic()
        yield
        self._started += time.monotonic() - paused

    def means(self, group: WorkerGroup) -> dict[str, float]:
        """Return the rates of all workers together, in the time of this one."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        totals = {name: group.sum(count) for name, count in self._counts.items()}
        return {name: total / seconds for name, total in totals.items() if total or name != "source_tokens_per_s"}


def _measures(sums: MetricSums) -> dict[str, float]:
    """Return the means, and the share of padding in the batches; nothing where all steps were left out."""
    totals = sums.totals()
    if not totals:
        return {}
    return {**sums.means(), "padding": 1 - totals["num_tokens"] / max(totals["num_positions"], 1)}


def _parsed(line: bytes) -> Mapping[str, Any]:
    """Read a line; one that is torn holds nothing."""
    try:
        parsed = json.loads(line)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _step_of(line: Mapping[str, Any]) -> float:
    step = line.get("step")
    return step if isinstance(step, int) else math.inf
