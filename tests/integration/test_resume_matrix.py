"""
Every model of every task, with all that can be remembered wrongly, lost three times: it ends bit for bit all the same.

A row of the matrix is a model that is trained for a task, with a feature, an optimizer and a scheduler; what there is
of these is asked of the registry, so a new one is in the matrix by itself. Each row is lost at the end of an epoch, in
the middle of one, and in the middle of a validation, and compared with a run that was left alone: tensors, counters and
numbers of all checkpoints, which are best and last, metrics.jsonl, and the order of the data.

By default the rows are few, but have everything in them once. SEQTRAIN_FAULT_TRIALS=all has every model with every
feature.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from itertools import cycle, islice, product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from seqtrain.checkpoint.checkpoint import Checkpoint
from seqtrain.registry.component import RegisteredComponent
from seqtrain.registry.discovery import discover
from seqtrain.run.compare import differing, leaves
from tiny_runs import DUMMY, read_metrics, words_of

pytestmark = pytest.mark.slow

EPOCH, STEPS = 4, 10  # steps
LOST = {  # see killed_runs.py; a process counts its own calls
    "epoch end": [
        "after",
        "seqtrain.checkpoint.store:CheckpointStore.save",
        3,
    ],  # at step 4, after 2 and 3, the best so far
    "mid-epoch": ["after", "seqtrain.checkpoint.store:CheckpointStore.save", 1],  # at step 6
    "validation": ["after", "seqtrain.task:Task.valid_step", 2],  # the model is tried on a batch; then that of step 9
}
GONE_ON_FROM = [4, 6, 8]

# By which words a model is trained for a task: none is left out that the registry says the model is meant for.
FORMS = {
    "translation": ("translation", {}),
    "lm": ("lm", {}),
    "masked": ("lm", {"task.objective": "masked"}),
    "span": ("lm", {"task.objective": "span"}),
    "classify": ("classify", {}),
}
ALL_AT_ONCE = {
    "model.dropout": 0.3,
    "data.prefetch": 3,
    "callbacks.ema.decay": 0.9,
    "trainer.precision": "bf16",
    "trainer.micro_batches_per_step": 2,
    "trainer.patience": 100,
}
FEATURES: dict[str, dict[str, Any]] = {
    "plain": {},
    "dropout": {"model.dropout": 0.3},
    "prefetch": {"data.prefetch": 3},
    "ema": {"callbacks.ema.decay": 0.9},
    "bf16": {"trainer.precision": "bf16"},
    "accumulation": {"trainer.micro_batches_per_step": 2},
    "patience": {"trainer.patience": 2},
    "freeze": {"callbacks.freeze.parameters": "['*bias*']"},
    "all": ALL_AT_ONCE,
}
BASE: dict[str, Any] = {
    **DUMMY,
    "task.dummy.valid_examples": 8,
    "model.dropout": 0.0,
    "trainer.max_steps": STEPS,
    "trainer.validate": "{steps: 3}",
    "checkpoint.save": "{steps: 2}",
    "checkpoint.keep_last": STEPS,
    "logging.every": "{steps: 1}",
}
TINY = {  # what makes a component small, or has no default; each takes those that it has
    "embed_dim": 16,
    "ffn_dim": 16,
    "hidden_dim": 16,
    "attention_heads": 2,
    "channels": 4,
    "warmup_steps": 2,
    "factors": "{'3': 0.5}",
    "encoder_widths": "[3]",
    "decoder_widths": "[3]",
}
FEW_LAYERS = {"layers": 1, "encoder_layers": 1, "decoder_layers": 1}
OWN = {  # where that is not enough
    "conv/fconv": {"encoder_layers": "16x3", "decoder_layers": "16x3"},
    "conv/fconv_lm": {"layers": "16x3"},
}
REGISTRY = discover()


class Row(NamedTuple):
    """What is trained."""

    form: str
    model: RegisteredComponent
    feature: str
    optimizer: RegisteredComponent
    lr_scheduler: RegisteredComponent

    def __str__(self) -> str:
        parts = (each.component.name for each in (self.model, self.optimizer, self.lr_scheduler))
        return "-".join([self.form, self.feature, *parts])

    def words(self) -> list[str]:
        """Return the command line, but for the folder."""
        task, settings = FORMS[self.form]
        parts = {"model": self.model, "optimizer": self.optimizer, "lr_scheduler": self.lr_scheduler}
        values: dict[str, Any] = {**BASE, **settings}
        for section, part in parts.items():
            values[f"{section}.name"] = part.qualified_name
            values |= {f"{section}.{name}": value for name, value in small(part).items()}
        values |= FEATURES[self.feature]
        if "dropout" not in names_of(self.model):
            del values["model.dropout"]
        values["task.dummy.examples"] = EPOCH * 4 * values.get("trainer.micro_batches_per_step", 1)
        return ["train", "--task", task, *words_of(values)]


def names_of(component: RegisteredComponent) -> set[str]:
    """Return the names of a component's settings."""
    return {each.name for each in fields(component.load_config())}


def small(component: RegisteredComponent) -> dict[str, Any]:
    """Return settings with which a component costs next to nothing."""
    settings = {**TINY, **(OWN.get(component.qualified_name) or FEW_LAYERS)}
    return {name: value for name, value in settings.items() if name in names_of(component)}


def forms_of(model: RegisteredComponent) -> list[str]:
    """Return how a model can be trained; one that reads both ways cannot guess what comes next."""
    tasks = model.component.for_tasks or ("translation", "lm", "classify")
    forms = [task for task in tasks if task != "lm"]
    if "lm" in tasks:
        forms += ["masked"] if "classify" in tasks else ["lm", "masked"]
    return [*forms, *(["span"] if "translation" in tasks else [])]


def rows() -> list[Row]:
    """Return the rows to try: all, or so few that each of the lists is in them once."""
    models = [(form, model) for model in REGISTRY.components("model") for form in forms_of(model)]
    optimizers, schedulers = (REGISTRY.components(kind) for kind in ("optimizer", "lr_scheduler"))
    if os.environ.get("SEQTRAIN_FAULT_TRIALS") == "all":
        pairs = list(product(models, FEATURES))
    else:
        number = max(map(len, (models, FEATURES, optimizers, schedulers)))
        pairs = list(zip(islice(cycle(models), number), cycle(FEATURES), strict=False))
    parts = zip(pairs, cycle(optimizers), cycle(schedulers), strict=False)
    return [Row(*model, feature, *further) for (model, feature), *further in parts]


@pytest.fixture(scope="module")
def train() -> Iterator[Callable[..., str]]:
    """Start the process that forks runs; return a function that has it train, and that returns the log."""
    script = Path(__file__).with_name("killed_runs.py")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, str(script)], text=True, **pipes) as process:

        def train(row: Row, run: Path, kill: list[Any] | None = None) -> str:
            log = run.with_suffix(".log")
            words = [*row.words(), f"data.cache_dir={run.parent / 'cache'}", "--run-dir", str(run)]
            request = {"words": words, "log": str(log), "root": str(run.parent), "kill": kill, "fail": None}
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            said = log.read_text()
            assert answer["code"] == (-signal.SIGKILL if kill else 0), said
            return said

        yield train
        process.stdin.close()


def saved(run: Path) -> dict[str, Any]:
    """Return all that a run has saved and measured, by dotted names."""
    folders = sorted((run / "checkpoints").glob("step-*"))
    checkpoints = [Checkpoint.verified(folder) for folder in folders]
    return leaves(
        {
            **{each.name: {part: each.load(part) for part in each.parts} for each in checkpoints},
            "measures": {each.name: each.measures for each in checkpoints},
            "pointers": [(run / "checkpoints" / name).read_text() for name in ("last", "best", "ranking.json")],
            "metrics.jsonl": read_metrics(run),
        }
    )


def plans(run: Path) -> dict[str, str]:
    """Return what the log says of each epoch, by its number; a run that goes on says the same again."""
    said = re.findall(
        r"epoch (\d+)  step \d+  (\d+ batches in .*, plan \w{16})$", (run / "train.log").read_text(), re.MULTILINE
    )
    found = dict(said)
    assert {tuple(each) for each in found.items()} == set(said)
    return found


ROWS = rows()


def test_everything_there_is_has_a_row() -> None:
    """Each model in each of its forms, each feature, optimizer and scheduler."""
    models = {(form, model.qualified_name) for model in REGISTRY.components("model") for form in forms_of(model)}
    assert models == {(row.form, row.model.qualified_name) for row in ROWS}
    assert set(FEATURES) == {row.feature for row in ROWS}
    for kind in ("optimizer", "lr_scheduler"):
        assert {each.qualified_name for each in REGISTRY.components(kind)} == {
            getattr(row, kind).qualified_name for row in ROWS
        }


@pytest.mark.fault("F32")
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_run_that_is_lost_three_times_ends_to_the_bit(
    row: Row, train: Callable[..., str], tmp_path: Path, record_property: Callable[[str, str], None]
) -> None:
    """At the end of an epoch, within one, and within a validation; nothing that was saved differs in anything."""
    straight, lost = tmp_path / "straight", tmp_path / "lost"
    train(row, straight)

    for kill in LOST.values():
        train(row, lost, kill)
    said = train(row, lost)

    steps = [int(each) for each in re.findall(r"Resuming from .*: epoch \d+, step (\d+)", said)]
    assert steps[:2] == GONE_ON_FROM[:2]
    assert steps[2] in (6, 8)  # it may be lost before the newest checkpoint is whole
    assert [] == differing(saved(straight), saved(lost))
    assert plans(straight) == plans(lost)
    assert len(plans(straight)) >= 2
    for _ in range(1, len(LOST)):  # each place is a trial; the mark counts for one
        record_property("fault", "F32")
