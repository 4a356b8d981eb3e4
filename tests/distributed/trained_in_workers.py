"""
What each worker of these tests runs: several trainings, one after the other, in one process group.

    trained_in_workers.py FOLDER RUNS.json [STEP INDEX]    RUNS: {name: words of `seqtrain train`, without the folder}

Each run leaves its folder FOLDER/NAME as training does, FOLDER/NAME.seen-PROCESS.json: the examples of each step, and
FOLDER/NAME.collectives-PROCESS.json: how many collectives of ours each step had, from its beginning to the next one's.
With STEP and INDEX, the gradient of that micro-batch of that step is not finite. With STOP_AT=STEP in the environment, a
callback of the last worker alone asks for an end after that step.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqtrain import build, launch, train
from seqtrain.batch import Step
from seqtrain.config.resolve import resolve
from seqtrain.config.schema import RunConfig
from seqtrain.engine.engine import Engine
from seqtrain.engine.optimizer import Optimizer
from seqtrain.metrics.best import Measure
from seqtrain.plugin import hookimpl
from seqtrain.registry.discovery import discover
from seqtrain.run.request import RunRequest
from seqtrain.trainer import Trainer
from seqtrain.workers.group import WorkerGroup
from seqtrain.workers.world import WorldInfo


def spoil(step: int, index: int) -> None:
    """Let the gradient of a micro-batch go wrong, on whichever worker it is."""
    seed, backward = Engine.seed_micro_batch, Optimizer.backward
    current = (0, 0)

    def seeded(self: Engine, step: int, index: int) -> None:
        nonlocal current
        current = (step + 1, index)
        seed(self, step, index)

    def spoilt(self: Optimizer, loss: Tensor) -> None:
        backward(self, loss * float("nan") if current == (step, index) else loss)

    Engine.seed_micro_batch, Optimizer.backward = seeded, spoilt  # type: ignore[method-assign]


class StopAt:
    """A callback that asks for an end of the run after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    @hookimpl
    def seqtrain_step_end(self, trainer: Trainer) -> None:
        """Ask for it."""
        if trainer.progress.step == self.step:
            trainer.stop(f"step {self.step}")


def stop_on_last_worker(step: int) -> None:
    """Let the last worker have that callback."""
    own_watchers = build.own_watchers

    def watchers(config: RunConfig, group: WorkerGroup, best_metric: Measure) -> dict[str, Any]:
        mine = {"stop_at": StopAt(step)} if group.rank == group.world_size - 1 else {}
        return {**own_watchers(config, group, best_metric), **mine}

    build.own_watchers = watchers  # type: ignore[attr-defined]


def main(folder: Path, runs: dict[str, list[str]]) -> None:
    """Join the others, and train."""
    registry = discover()
    requests = {
        name: RunRequest(config=resolve(registry, task=task, overrides=words).config, run_dir=folder / name)
        for name, (task, *words) in runs.items()
    }
    distributed = next(iter(requests.values())).config.distributed
    with launch.join_process_group(WorldInfo.from_environment(os.environ), distributed) as group:
        for name, request in requests.items():
            with (
                noting_examples(folder / f"{name}.seen-{os.getpid()}.json"),
                counting_collectives(folder / f"{name}.collectives-{os.getpid()}.json"),
            ):
                train.main(request, registry, group)


@contextmanager
def noting_examples(file: Path) -> Iterator[None]:
    """Write down which examples of which step were this worker's; those of a stand-in are not."""
    seen: dict[int, list[int]] = {}
    train_step = Trainer.train_step

    def noted(self: Trainer, step: Step) -> bool:
        group = self.engine.group
        real = [each for number, each in enumerate(step.samples) if group.rank + number * group.world_size < step.size]
        seen[self.progress.step + 1] = [example for each in real for example in each.ids.tolist()]
        return train_step(self, step)

    Trainer.train_step = noted  # type: ignore[method-assign]
    try:
        yield
    finally:
        Trainer.train_step = train_step  # type: ignore[method-assign]
        file.write_text(json.dumps(seen), encoding="utf-8")


@contextmanager
def counting_collectives(file: Path) -> Iterator[None]:
    """Write down how many collectives the workers made in each step; those of torch's own engines do not count."""
    counts: dict[int, int] = {}
    train_step, all_gather = Trainer.train_step, torch.distributed.all_gather
    current = 0

    def began(self: Trainer, step: Step) -> bool:
        nonlocal current
        current = self.progress.step + 1
        counts[current] = 0
        return train_step(self, step)

    def counted(*args: Any, **kwargs: Any) -> Any:
        if threading.current_thread() is threading.main_thread():  # not those of the thread that writes checkpoints
            counts[current] = counts.get(current, 0) + 1
        return all_gather(*args, **kwargs)

    Trainer.train_step, torch.distributed.all_gather = began, counted  # type: ignore[method-assign]
    try:
        yield
    finally:
        Trainer.train_step, torch.distributed.all_gather = train_step, all_gather  # type: ignore[method-assign]
        file.write_text(json.dumps(counts), encoding="utf-8")


if __name__ == "__main__":
    if "STOP_AT" in os.environ:
        stop_on_last_worker(int(os.environ["STOP_AT"]))
    if sys.argv[3:]:
        spoil(*map(int, sys.argv[3:]))
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
