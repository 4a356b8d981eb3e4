"""
The loop that anybody would write in plain PyTorch: what `seqtrain train` is measured against.

The same model, batches, loss and optimizer as a run's, without anything that seqtrain's Trainer does around them.

    python tests/benchmarks/bare_loop.py RUN STEPS       RUN: a run folder, for its config.yaml and its task/

Prints milliseconds per step after the tenth, as JSON: on the wall, and of the processor.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch

from seqtrain.build import build_task, cache_folder
from seqtrain.config.resolve import resolve
from seqtrain.data.plan import BatchLimits, plan_epoch
from seqtrain.protocols import ModelParameters
from seqtrain.registry.discovery import discover
from seqtrain.run.folder import RunFolder

WARM_UP = 10  # steps before the clocks start


class StepClock:
    """Time since `start`, by the clock on the wall and by that of the processor, which counts all threads."""

    def start(self) -> None:
        """Start both clocks."""
        self._started = time.perf_counter(), time.process_time()

    def per_step(self, steps: int) -> str:
        """Return the milliseconds of a step, as JSON."""
        wall, cpu = time.perf_counter() - self._started[0], time.process_time() - self._started[1]
        return json.dumps({"wall": 1e3 * wall / steps, "cpu": 1e3 * cpu / steps})


def main(run: Path, steps: int) -> str:
    """Train from scratch for some steps, with the settings of a run; return what a step took."""
    folder, registry = RunFolder(run), discover()
    config = resolve(registry, config_file=folder.config).config
    task = build_task(config, registry)
    task.load(folder.task, cache_folder(config))
    data = task.dataset("train")
    limits = BatchLimits(max_tokens=config.data.max_tokens, max_sentences=config.data.max_sentences)
    plan = plan_epoch(data, limits, seed=config.data.seed, epoch=1)
    torch.manual_seed(config.trainer.seed)
    model = registry.build(config.model, spec=task.model_spec)
    criterion = registry.build(config.criterion, spec=task.model_spec)
    optimizer = registry.build(config.optimizer, parameters=ModelParameters(model))
    factor = registry.build(config.lr_scheduler, total_steps=steps)
    base_lr = optimizer.param_groups[0]["lr"]

    model.train()
    clock = StepClock()
    for step in range(1, steps + 1):
        if step == WARM_UP + 1:
            clock.start()
        sample = data.collate(plan.examples((step - 1) % plan.num_micro_batches))
        optimizer.zero_grad()
        loss, sample_size, _ = criterion(model, sample)
        (loss / sample_size).backward()
        if config.trainer.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.trainer.clip_norm)
        optimizer.param_groups[0]["lr"] = base_lr * factor(step)
        optimizer.step()
    return clock.per_step(steps - WARM_UP)


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), int(sys.argv[2])))
