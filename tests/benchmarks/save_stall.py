"""
How long training waits for a save, asynchronous and not, as a share of the time of a step.

    python tests/benchmarks/save_stall.py FOLDER [35|200 ...]

Trains a language model of some 35 or 200 million parameters with AdamW on made-up data, on the CPU, in batches of
2,048 tokens, and saves after steps 3 and 6. The first save finds memory for its copy, which the second uses again,
so it is listed apart. FOLDER needs three bytes of room for every byte that weights and optimizer take.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqtrain.checkpoint.checkpointer import Checkpointer
from seqtrain.config.resolve import resolve
from seqtrain.registry.discovery import discover
from seqtrain.run.folder import RunFolder
from seqtrain.trainer import Trainer
from seqtrain_testing.runs import make_trainer

SIZES = {35: (12, 480), 200: (16, 1008)}  # millions of parameters: layers, width
STEPS, EVERY = 7, 3


def timed(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """Note how long each call takes."""

    def call(*arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            seconds.append(time.perf_counter() - started)

    return call


def measure(folder: Path, layers: int, width: int, *, asynchronous: bool) -> tuple[int, list[float], list[float]]:
    """Return the number of parameters, and the seconds of the steps and of the waits for saves."""
    settings = [
        "task.dummy.examples=2000", "task.dummy.length=256", "task.tokens_per_sample=256", "task.dummy.vocab_size=8000",
        f"model.layers={layers}", f"model.embed_dim={width}", f"model.ffn_dim={4 * width}", "model.attention_heads=8",
        "data.max_tokens=2048", f"trainer.max_steps={STEPS}", "trainer.validate={epochs: 1000}", "logging.every={steps: 1}",
        f"checkpoint.save={{steps: {EVERY}}}", "checkpoint.keep_last=1", f"checkpoint.asynchronous={str(asynchronous).lower()}",
        "trackers.tensorboard=null", f"data.cache_dir={folder / 'cache'}",
    ]  # fmt: skip
    registry = discover()
    run = RunFolder(folder / "run")
    shutil.rmtree(run.path, ignore_errors=True)
    run.create()
    trainer = make_trainer(resolve(registry, task="lm", overrides=settings).config, registry, run)
    steps: list[float] = []
    saves: list[float] = []
    Trainer.train_step, Checkpointer.save = timed(Trainer.train_step, steps), timed(Checkpointer.save, saves)  # type: ignore[method-assign]
    try:
        trainer.run()
    finally:
        Trainer.train_step, Checkpointer.save = PLAIN  # type: ignore[method-assign]
    return sum(each.numel() for each in trainer.model.parameters()), steps, saves[: STEPS // EVERY]


PLAIN = (Trainer.train_step, Checkpointer.save)


def main(folder: Path, sizes: list[int]) -> None:
    """Print a table."""
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{'parameters':>12}  {'saving':14}{'step s':>8}{'first save':>12}{'second save':>13}{'second / step':>14}")
    for size in sizes:
        for asynchronous in (False, True):
            number, steps, saves = measure(folder, *SIZES[size], asynchronous=asynchronous)
            between = [each for index, each in enumerate(steps, 1) if index % EVERY not in (1, 2)]  # nothing is written
            step, later = sum(between) / len(between), max(saves[1:])
            how = "asynchronous" if asynchronous else "in the step"
            print(f"{number:12,}  {how:14}{step:8.2f}{saves[0]:12.2f}{later:13.2f}{later / step:14.1%}", flush=True)
    shutil.rmtree(folder / "run", ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(each) for each in sys.argv[2:]] or list(SIZES))
