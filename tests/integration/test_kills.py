"""SIGKILL anywhere in a run costs at most the steps since a checkpoint: the same command ends with the same bits."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from forked_runs import ForkedRuns, everything, forked_runs, whole_checkpoints
from seqtrain.run.compare import differing
from tiny_runs import WORDS

pytestmark = pytest.mark.slow

ALL_TRIALS = os.environ.get("SEQTRAIN_FAULT_TRIALS") == "all"  # as `nox -s faults` sets it; else a part of them
STEPS, SAVE = 14, 3
SETTINGS = {  # 6 steps an epoch
    **WORDS,
    "task.generation.max_len_a": 0,
    "task.generation.max_len_b": 1,
    "model.dropout": 0.3,
    "data.max_sentences": 16,
    "data.prefetch": 2,
    "callbacks.ema.decay": 0.9,
    "trainer.max_steps": STEPS,
    "trainer.patience": 100,
    "trainer.validate": "{steps: 2}",
    "checkpoint.save": f"{{steps: {SAVE}}}",
    "checkpoint.keep_last": 2,
    "checkpoint.keep_best": 1,
}
SAVED_STEPS = [2, 3, 4, 6, 8, 9, 10, 12, 14]  # every third, and each validation, which is the best so far

TRAINER, FOLDER = "seqtrain.trainer:Trainer", "seqtrain.run.folder:RunFolder"
TASK, EVALUATOR = "seqtrain_translation.task:TranslationTask", "seqtrain.evaluation:Evaluator"
STORE, STATE = "seqtrain.checkpoint.store:CheckpointStore", "seqtrain.checkpoint.checkpoint:write_tensors"
SAVING, REPORTER = "seqtrain.checkpoint.checkpointer:Checkpointer", "seqtrain.metrics.logger:MetricLogger"
EPOCH = "seqtrain.training.progress:Progress.start_next_epoch"

# Where SIGKILL comes, see killed_runs.py; a number is that of a step where a function is called once for each.
POINTS = [
    ["before", f"{FOLDER}.write_config", 1],
    ["after", f"{TASK}.prepare", 1],
    ["after", f"{TRAINER}.train_step", 1],
    ["before", "seqtrain.engine.optimizer:Optimizer.step", 5],
    ["after", f"{SAVING}.save", 1],
    ["cut", f"{REPORTER}.log_training", 8, "metrics.jsonl", 0.97],
    ["before", EPOCH, 1],
    ["after", f"{TASK}.measure", 4],
    ["cut", STATE, 7, "model.safetensors", 0.5],
    ["before", f"{STORE}.retain", 5],
    ["after", f"{TASK}.measure", 8],
    ["seconds", 0.3],
]
MORE_POINTS = [
    ["before", f"{FOLDER}.create", 1],
    ["after", f"{FOLDER}.create", 1],
    ["after", f"{FOLDER}.write_config", 1],
    ["after", f"{FOLDER}.write_environment", 1],
    ["before", f"{TASK}.prepare", 1],
    ["before", "seqtrain.build:build_model", 1],
    ["before", f"{TRAINER}.restore", 1],
    ["before", f"{TRAINER}.run_epoch", 1],
    *(["before", f"{TRAINER}.train_step", step] for step in (1, 2, 3, 4, 6, 7, 12, 13)),
    *(["after", f"{TRAINER}.train_step", step] for step in (3, 6, 7, 14)),
    ["after", "seqtrain.engine.optimizer:Optimizer.step", 9],
    *(["after", f"{TRAINER}.after_step", step] for step in (2, 3, 4, 5, 6, 7)),
    *(["before", f"{TRAINER}.validate", nth] for nth in (1, 3)),
    ["before", f"{TASK}.valid_step", 2],
    ["after", f"{TASK}.valid_step", 3],
    ["before", f"{TASK}.measure", 3],
    ["after", f"{EVALUATOR}.validate", 6],
    ["before", f"{REPORTER}.log_validation", 3],
    ["after", f"{REPORTER}.log_validation", 3],
    ["cut", f"{REPORTER}.log_validation", 5, "metrics.jsonl", 0.99],
    *(["before", f"{SAVING}.save", nth] for nth in (1, 2, 5)),
    *(["after", f"{SAVING}.save", nth] for nth in (2, 4, 5)),
    *(["after", "seqtrain.checkpoint.snapshot:Snapshot.take", nth] for nth in (1, 3)),
    ["cut", STATE, 1, "model.safetensors", 0.5],
    ["cut", STATE, 4, "model.safetensors", 0],
    ["cut", STATE, 8, "optimizer.safetensors", 0.9],
    ["cut", STATE, 12, "state.safetensors", 0.1],
    ["cut", "seqtrain.checkpoint.store:write_state", 3, "state.json", 0.5],
    ["cut", "seqtrain.checkpoint.store:write_manifest", 2, "manifest.json", 0.5],
    ["cut", "seqtrain.checkpoint.store:write_manifest", 4, "manifest.json", 0],
    *(["after", f"{STORE}.save", nth] for nth in (1, 2, 5)),
    *(["after", f"{STORE}.retain", nth] for nth in (2, 5)),
    ["after", EPOCH, 1],
    ["after", EPOCH, 2],
    ["before", "seqtrain.train:report", 1],
    ["before", f"{REPORTER}.log_results", 1],
    ["after", f"{REPORTER}.log_results", 1],
    *(["seconds", hundredths / 100] for hundredths in range(5, 125, 10)),
]
TWICE = [  # the second one in the run that goes on
    (["cut", STATE, 10, "model.safetensors", 0.5], ["before", "seqtrain.checkpoint.store:recover", 1]),
    (["after", f"{TRAINER}.train_step", 8], ["cut", f"{REPORTER}.truncate_after", 1, "metrics.jsonl", 1]),
    (["before", f"{STORE}.retain", 3], ["after", f"{TRAINER}.restore", 1]),
    (["before", f"{TRAINER}.validate", 4], ["before", f"{TRAINER}.validate", 2]),
]


@pytest.fixture(scope="module")
def killer(shared_places: tuple[Path, Path]) -> Iterator[ForkedRuns]:
    """Start the process that forks the runs."""
    with forked_runs(shared_places[0], SETTINGS) as runs:
        yield runs


@pytest.fixture(scope="module")
def undisturbed(killer: ForkedRuns, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a run leaves that nobody kills, and the calls by which it did."""
    root = tmp_path_factory.mktemp("undisturbed") / "root"
    ended = killer.run(root)
    assert ended["code"] == 0, ended["said"]
    assert whole_checkpoints(root)[-2:] == SAVED_STEPS[-2:]
    return everything(root, STEPS), ended["calls"]


@pytest.fixture
def survives(
    killer: ForkedRuns, undisturbed: tuple[dict[str, Any], Any], record_property: Callable[[str, Any], None]
) -> Callable[..., list[int]]:
    """Kill a run once or more, and check what the same command then makes of it; return the steps that were there."""

    def survives(root: Path, *kills: list[Any], lost: int = 2 * SAVE, **changed: Any) -> list[int]:
        reached = 0
        for kill in kills:
            killed = killer.run(root, kill, **changed)
            is_killed = (-signal.SIGKILL, 0) if kill[0] == "seconds" else (-signal.SIGKILL,)
            assert killed["code"] in is_killed, (kill, killed["said"])
            reached = max(reached, killed["step"])
        there = whole_checkpoints(root)
        ended = killer.run(root, **changed)
        assert ended["code"] == 0, (kills, ended["said"])
        resumed = [int(step) for step in re.findall(r"Resuming from .*/step-(\d+)", ended["said"])]
        assert resumed == there[-1:], (kills, ended["said"])
        steps_lost = reached - (resumed or [0])[0]
        record_property("steps_lost", steps_lost)
        assert steps_lost <= lost, kills
        assert differing(undisturbed[0], everything(root, STEPS)) == [], kills
        return there

    return survives


def named(kill: list[Any]) -> str:
    """Name a point for people."""
    return "-".join(str(each).rpartition(":")[2] for each in kill)


@pytest.mark.fault("F1")
@pytest.mark.parametrize("kill", POINTS + (MORE_POINTS if ALL_TRIALS else []), ids=named)
def test_a_run_killed_anywhere_ends_with_the_bits_of_an_undisturbed_one(survives, tmp_path, kill):
    """
    Typed again, the command finds the newest whole checkpoint; nothing is lost but the steps after it.

    Those are at most two intervals of saving: one while the checkpoint is being written, and one until the next.
    """
    survives(tmp_path / "root", kill)


@pytest.mark.fault("F1")
@pytest.mark.parametrize("step", [3, 4, 6, 9, 11, 12] if ALL_TRIALS else [6])
def test_where_saving_waits_for_the_disk_no_more_than_one_interval_is_lost(survives, tmp_path, step):
    """The step that is due is saved before the next begins."""
    kill = ["before", f"{TRAINER}.train_step", step + 1]
    there = survives(tmp_path / "root", kill, lost=SAVE - 1, **{"checkpoint.asynchronous": "false"})

    assert step - step % SAVE == there[-1]


@pytest.mark.fault("F1")
@pytest.mark.parametrize(
    "kills", TWICE if ALL_TRIALS else TWICE[:1], ids=lambda kills: "-then-".join(map(named, kills))
)
def test_a_run_killed_again_while_it_recovers(survives, tmp_path, kills):
    """Tidying up is as safe as saving."""
    survives(tmp_path / "root", *kills)


@pytest.mark.fault("F1")
def test_set_up_killed_at_any_call_that_touches_the_disk(survives, undisturbed, tmp_path, record_property):
    """The run's folder, its configuration, the tokenizer, the text as numbers: made whole or not at all."""
    calls = undisturbed[1]["MainThread"]
    first_step = next(nth for nth, call in enumerate(calls) if call.endswith("metrics.jsonl"))
    assert first_step > 30

    for nth in range(1, first_step + 1, 1 if ALL_TRIALS else 15):
        there = survives(tmp_path / f"root-{nth}", ["call", "MainThread", nth])
        assert there == []
        if nth > 1:  # the first trial is this test
            record_property("fault", "F1")


@pytest.mark.fault("F2")
@pytest.mark.parametrize("save", [3, 6, 9] if ALL_TRIALS else [6])
def test_a_save_in_the_background_killed_at_any_call_that_touches_the_disk(
    survives, undisturbed, tmp_path, record_property, save
):
    """There is always a whole checkpoint, the newest is found, and the next run clears what was left behind."""
    calls = undisturbed[1]["checkpoint"]
    step, before = SAVED_STEPS[save - 1], SAVED_STEPS[save - 2]
    starts = [nth for nth, call in enumerate(calls, 1) if re.match(r"os.mkdir .*tmp-", call)]
    start, stop = starts[save - 1], [*starts, len(calls) + 1][save]
    part = "\n".join(calls[start - 1 : stop - 1])
    for phase in ("model.safetensors", "manifest.json", "os.rename .*tmp", "last.tmp", "ranking.json.tmp"):
        assert re.search(phase, part)

    for nth in range(start, stop, 1 if ALL_TRIALS else 8):
        there = survives(tmp_path / f"root-{nth}", ["call", "checkpoint", nth])
        assert there[-1] in (step, before)
        if nth > start:  # the first trial is this test
            record_property("fault", "F2")
