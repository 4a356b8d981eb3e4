"""`seqtrain evaluate`, as each of its workers does it."""

from __future__ import annotations

from seqtrain.errors import UsageError
from seqtrain.inference.load import load_run
from seqtrain.metrics.console import start_logging
from seqtrain.registry.registry import Registry
from seqtrain.run.folder import RunFolder
from seqtrain.run.request import EvaluateRequest
from seqtrain.run.results import Evaluation, final_split
from seqtrain.task import Task
from seqtrain.workers.group import WorkerGroup


def main(request: EvaluateRequest, registry: Registry, group: WorkerGroup) -> Evaluation:
    """
    Measure a run's checkpoints on a split.

    Raises:
        UsageError: there is no such split.
        CheckpointError: there is no such checkpoint, or it is damaged.
    """
    start_logging("warning", "plain", worker=group.rank)
    folder = RunFolder(request.run_dir)
    run = load_run(folder, registry, request.config, checkpoints=request.checkpoints, group=group)
    split = _known_split(run.task, request.split)
    with group.main_process_first():  # its files are made ready by one, and found by the others
        run.task.dataset(split)
    measures = run.evaluator.measure(split, run.models)
    return Evaluation(
        request.run_dir,
        split=split,
        measures=measures,
        checkpoints=run.checkpoints,
        notes=run.task.describe_measures(split),
        as_json=request.as_json,
    )


def _known_split(task: Task, split: str | None) -> str:
    split = split or final_split(task)
    known = ", ".join(task.splits())
    if split is None:
        raise UsageError(f"This run has no test and no validation set, only {known}. Set task.test=PREFIX to add one.")
    if split not in task.splits():
        raise UsageError(f"There is no split {split!r} in this run; it has {known}. Set task.test=PREFIX to add one.")
    return split
