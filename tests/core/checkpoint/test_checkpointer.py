"""Saving while training goes on, and what happens when it cannot be done."""

from __future__ import annotations

import errno
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from seqtrain.checkpoint.atomic_io import NotWrittenError
from seqtrain.checkpoint.checkpoint import Checkpoint
from seqtrain.checkpoint.store import CheckpointStore
from seqtrain.config.option import Selection
from seqtrain.errors import CheckpointError
from seqtrain.plugin import hookimpl
from seqtrain.training.cadence import Every
from tiny_runs import read_metrics


@pytest.fixture
def watch(toy) -> Callable[..., tuple[Selection, ...]]:
    """Return the `callbacks` with one that calls a function, with the trainer, after each step or save."""

    def callbacks(**functions: Callable[..., None]) -> tuple[Selection, ...]:
        members = {
            name: hookimpl(specname=f"seqtrain_{name}")(lambda self, trainer, _f=function: _f(trainer))
            for name, function in functions.items()
        }
        watcher = type("Watcher", (), members)()
        toy.registry.parts["callback", "watch"] = lambda config: watcher
        return (Selection("callback", "watch", toy.config().task.config),)

    return callbacks


@pytest.fixture
def slow_disk(monkeypatch) -> threading.Event:
    """Let no save go on until the event is set."""
    go_on, save = threading.Event(), CheckpointStore.save

    def wait_then_save(self: CheckpointStore, *args: Any) -> Path:
        assert go_on.wait(60)
        return save(self, *args)

    monkeypatch.setattr(CheckpointStore, "save", wait_then_save)
    return go_on


def failing_disk(monkeypatch, *fails_at: int) -> list[int]:
    """Let the writing of these steps fail; return the list of steps tried, which grows."""
    tried, save = [], CheckpointStore.save

    def save_or_fail(self: CheckpointStore, step: int, *args: Any) -> Path:
        tried.append(step)
        if step in fails_at:
            raise NotWrittenError(f"Cannot write step {step}: the disk is full.")
        return save(self, step, *args)

    monkeypatch.setattr(CheckpointStore, "save", save_or_fail)
    return tried


@pytest.fixture
def full_metrics(monkeypatch) -> Callable[[Path], Any]:
    """Return what lets nothing be added to the metrics.jsonl of a run, while it is entered."""

    @contextmanager
    def full(run: Path) -> Iterator[None]:
        write = os.write

        def write_or_fail(descriptor: int, content: bytes) -> int:
            if Path(f"/proc/self/fd/{descriptor}").readlink() == run / "metrics.jsonl":
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(descriptor, content)

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", write_or_fail)
            yield

    return full


def saved(toy, run: str = "run") -> list[int]:
    """Return the steps of the checkpoints there are."""
    return sorted(int(path.name[5:]) for path in (toy.folder / run / "checkpoints").glob("step-*"))


@pytest.mark.fault("F16")
def test_training_goes_on_while_a_checkpoint_is_written_and_the_file_holds_the_state_of_the_save(toy, watch, slow_disk):
    """Saved at step 5 and written after step 8: with the weights of step 5."""
    weights = {}

    def after_step(trainer: Any) -> None:
        step = trainer.progress.step
        weights[step] = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
        if step == 8:
            assert saved(toy) == []
            slow_disk.set()

    toy.trainer(trainer={"max_steps": 9}, callbacks=watch(step_end=after_step)).run()

    written = Checkpoint.verified(toy.folder / "run/checkpoints/step-00000005").load("model")
    assert all(torch.equal(tensor, weights[5][name]) for name, tensor in written.items())
    assert not all(torch.equal(tensor, weights[8][name]) for name, tensor in written.items())


@pytest.mark.fault("F2")
def test_nothing_is_pointed_at_or_deleted_before_the_new_checkpoint_is_there(toy, watch, monkeypatch):
    """While step 10 is being written, `last` is step 5, and step 5 is there although one is to be kept."""
    go_on, save = threading.Event(), CheckpointStore.save

    def hold_the_second(self: CheckpointStore, step: int, *args: Any) -> Path:
        assert step < 10 or go_on.wait(60)
        return save(self, step, *args)

    def look(trainer: Any) -> None:
        if trainer.progress.step == 5:
            trainer.checkpointer.wait()
        if trainer.progress.step == 12:
            assert "step-00000005\n" == (toy.folder / "run/checkpoints/last").read_text()
            assert [5] == saved(toy)
            go_on.set()

    monkeypatch.setattr(CheckpointStore, "save", hold_the_second)
    checkpoint = {"keep_last": 1, "keep_best": 0}
    toy.trainer(trainer={"max_steps": 13}, checkpoint=checkpoint, callbacks=watch(step_end=look)).run()

    assert [13] == saved(toy)


@pytest.mark.parametrize("asynchronous", [True, False])
def test_hooks_are_told_in_the_trainers_own_thread_once_a_checkpoint_is_there(toy, watch, asynchronous):
    """Once for each, in order, before the run ends."""
    told = []

    def after_save(trainer: Any) -> None:
        assert threading.current_thread() is threading.main_thread()
        told.append(saved(toy)[-1])

    toy.trainer(
        trainer={"max_steps": 12},
        checkpoint={"asynchronous": asynchronous},
        callbacks=watch(checkpoint_saved=after_save),
    ).run()

    assert [5, 10, 11, 12] == told


def test_both_ways_of_saving_write_the_same(toy):
    """Weights, optimizer and state have the same hashes."""
    manifests = []
    for asynchronous in (True, False):
        toy.trainer(str(asynchronous), trainer={"max_steps": 12}, checkpoint={"asynchronous": asynchronous}).run()
        folder = toy.folder / str(asynchronous) / "checkpoints/step-00000010"
        manifests.append(Checkpoint.verified(folder).manifest.files)

    assert manifests[0]["model.safetensors"] == manifests[1]["model.safetensors"]
    assert manifests[0]["optimizer.safetensors"] == manifests[1]["optimizer.safetensors"]


@pytest.mark.parametrize("asynchronous", [True, False])
@pytest.mark.fault("F3")
def test_a_save_that_fails_is_told_and_the_next_is_made(toy, monkeypatch, caplog, asynchronous):
    """Step 5 cannot be written; steps 10, 11 (the best so far) and 12 are."""
    failing_disk(monkeypatch, 5)
    toy.trainer(trainer={"max_steps": 12}, checkpoint={"asynchronous": asynchronous, "retries": 0}).run()

    assert [10, 11, 12] == saved(toy)
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert ["Cannot write step 5: the disk is full. Training goes on"] == [error[:55] for error in errors]


@pytest.mark.fault("F3")
def test_a_save_that_fails_stops_the_run_where_that_is_asked_for(toy, monkeypatch):
    """At the next step's end at the latest."""
    failing_disk(monkeypatch, 5)
    checkpoint = {"when_unwritable": "stop", "retries": 0, "asynchronous": False}
    trainer = toy.trainer(trainer={"max_steps": 12}, checkpoint=checkpoint)
    with pytest.raises(NotWrittenError, match="Cannot write step 5"):
        trainer.run()

    assert 5 == trainer.progress.step


@pytest.mark.fault("F3")
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("last", [12, 10])
def test_the_last_save_must_succeed(toy, monkeypatch, asynchronous, last):
    """A run that ends without its last checkpoint has failed, whether that was due anyway (10) or not."""
    failing_disk(monkeypatch, last)
    with pytest.raises(NotWrittenError, match=f"Cannot write step {last}"):
        toy.trainer(trainer={"max_steps": last}, checkpoint={"retries": 0, "asynchronous": asynchronous}).run()

    assert [each for each in (5, 10, 11) if each < last] == saved(toy)


def test_a_last_save_that_failed_when_it_was_due_is_tried_again_at_the_end(toy, monkeypatch):
    """Step 10 is both; the disk is full for the first try only."""
    tried, save = [], CheckpointStore.save

    def fail_once(self: CheckpointStore, step: int, *args: Any) -> Path:
        tried.append(step)
        if tried == [5]:
            raise NotWrittenError("Cannot write.")
        return save(self, step, *args)

    monkeypatch.setattr(CheckpointStore, "save", fail_once)
    checkpoint = {"retries": 0, "asynchronous": False, "save": Every(steps=5)}
    toy.trainer(trainer={"max_steps": 6}, checkpoint=checkpoint).run()

    assert [5, 6] == tried
    assert [6] == saved(toy)


@pytest.mark.fault("F4")
def test_a_save_is_tried_again_after_a_while(toy, monkeypatch, caplog):
    """Twice by default, after 1 and 2 seconds."""
    waited = []
    monkeypatch.setattr("seqtrain.checkpoint.checkpointer.time", SimpleNamespace(sleep=waited.append))
    tried = failing_disk(monkeypatch, 5)
    toy.trainer(trainer={"max_steps": 6}).run()

    assert [5, 5, 5, 6] == tried
    assert [1, 2] == waited
    assert "Trying again in 1 s." in caplog.text


def test_what_no_checkpoint_can_hold_ends_the_run_at_once(toy, watch, monkeypatch):
    """That is the fault of a part, and trying again or going on would not help."""
    clock = SimpleNamespace(sleep=lambda seconds: pytest.fail("tried again"))
    monkeypatch.setattr("seqtrain.checkpoint.checkpointer.time", clock)

    class Odd:
        def state_dict(self) -> dict[str, Any]:
            return {"a set": {1, 2}}

        def load_state_dict(self, state: dict[str, Any]) -> None: ...

    toy.registry.parts["callback", "odd"] = lambda config: Odd()
    trainer = toy.trainer(
        trainer={"max_steps": 30}, callbacks=(Selection("callback", "odd", toy.config().task.config),)
    )
    with pytest.raises(CheckpointError, match=r"holds a set at 'callbacks\.odd\.a set'"):
        trainer.run()


def test_an_error_in_a_step_leaves_what_was_being_written_whole(toy, watch, slow_disk):
    """The run ends by its own error after the save of step 5 is on the disk."""

    def fail(trainer: Any) -> None:
        if trainer.progress.step == 7:
            slow_disk.set()
            raise CheckpointError("of step 7")

    with pytest.raises(CheckpointError, match="of step 7"):
        toy.trainer(trainer={"max_steps": 9}, callbacks=watch(step_end=fail)).run()

    assert 5 == CheckpointStore(toy.folder / "run/checkpoints").newest_good().step


def test_a_save_that_fails_does_not_hide_the_runs_own_error(toy, watch, monkeypatch, caplog):
    """Both are told; the step's is raised."""
    failing_disk(monkeypatch, 5)

    def fail(trainer: Any) -> None:
        if trainer.progress.step == 5:
            trainer.save()
            raise CheckpointError("of step 5")

    with pytest.raises(CheckpointError, match="of step 5"):
        toy.trainer(trainer={"max_steps": 9}, checkpoint={"retries": 0}, callbacks=watch(step_end=fail)).run()

    assert "Cannot write step 5" in caplog.text


@pytest.mark.fault("F37")
def test_what_a_checkpoint_needs_is_on_the_disk_before_it_is_there(toy, monkeypatch):
    """The lines of metrics.jsonl up to its step, and the files of RUN/task."""
    flushed, at_save, save = [], {}, CheckpointStore.save
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    run = toy.folder / "run"

    def save_and_note(self: CheckpointStore, step: int, *args: Any) -> Path:
        lines = (run / "metrics.jsonl").read_text().splitlines()
        at_save[step] = (set(flushed), max(json.loads(line)["step"] for line in lines))
        flushed.clear()
        return save(self, step, *args)

    monkeypatch.setattr(CheckpointStore, "save", save_and_note)
    trainer = toy.trainer(trainer={"max_steps": 10}, logging={"every": Every(steps=5)})
    (run / "task" / "vocabulary.json").write_text("{}")
    trainer.run()

    assert list(at_save) == [5, 10]
    assert all(newest >= step for step, (_, newest) in at_save.items())
    assert {run / "task" / "vocabulary.json", run / "task", run / "metrics.jsonl", run} <= at_save[5][0]
    assert run / "metrics.jsonl" in at_save[10][0]


@pytest.mark.fault("F33")
def test_lines_that_cannot_be_written_end_the_run_at_once_where_that_is_asked_for(toy, full_metrics):
    """As a checkpoint would; with the path."""
    trainer = toy.trainer(checkpoint={"when_unwritable": "stop"})

    with full_metrics(toy.folder / "run"), pytest.raises(NotWrittenError, match=r"metrics\.jsonl: the disk is full"):
        trainer.run()

    assert 4 == trainer.progress.step


@pytest.mark.fault("F33")
def test_lines_that_cannot_be_written_wait_until_they_can(toy, full_metrics, watch, caplog):
    """No checkpoint is given up for them, and in the end none is missing, twice or torn."""
    toy.trainer("straight", trainer={"max_steps": 20}).run()
    full = full_metrics(toy.folder / "run")

    def after_step(trainer: Any) -> None:
        if trainer.progress.step == 3:
            full.__enter__()
        if trainer.progress.step == 13:
            full.__exit__(None, None, None)

    toy.trainer(trainer={"max_steps": 20}, callbacks=watch(step_end=after_step)).run()

    assert saved(toy) == saved(toy, "straight")
    assert read_metrics(toy.folder / "run") == read_metrics(toy.folder / "straight")
    told = [each.getMessage() for each in caplog.records if "metrics.jsonl" in each.getMessage()]
    assert len(told) == 2
    assert "the disk is full" in told[0]
    assert "lacks nothing" in told[1]


@pytest.mark.fault("F33")
def test_lines_that_never_could_be_written_are_an_error_in_the_end(toy, full_metrics):
    """The checkpoints are there, and the user knows."""
    trainer = toy.trainer(trainer={"max_steps": 10})

    with full_metrics(toy.folder / "run"), pytest.raises(NotWrittenError, match=r"metrics\.jsonl: the disk is full"):
        trainer.run()

    assert saved(toy) == [5, 10]
