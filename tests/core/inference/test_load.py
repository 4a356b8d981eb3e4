"""Checkpoints that are read while the run that they belong to goes on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch

from seqtrain.checkpoint.checkpoint import Checkpoint
from seqtrain.checkpoint.store import CheckpointStore
from seqtrain.errors import CheckpointError
from seqtrain.inference.load import load_checkpoints
from seqtrain.workers.group import ALONE

pytestmark = pytest.mark.fault("F38")


class Run:
    """
    A run that saves its next checkpoint, and deletes the one before, whenever it is told to.

    Args:
        folder: of its checkpoints.
    """

    def __init__(self, folder: Path) -> None:
        self.store = CheckpointStore(folder)
        self.step = 0
        self.go_on()

    def go_on(self) -> None:
        self.step += 1
        self.store.save(self.step, 1, {"model": {"w": torch.full((2,), self.step)}}, {"loss": 1 / self.step})
        self.store.retain(keep_last=1, keep_best=1, metric="loss", higher_is_better=False)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    return Run(tmp_path / "checkpoints")


@pytest.mark.parametrize("names", [(), ("last",), ("best", "last")])
@pytest.mark.parametrize("after", ["found", "verified", "half of it is read"])
def test_a_checkpoint_that_retention_deletes_is_made_up_for_by_the_next(run, names, after, monkeypatch):
    """Wherever the reader is: it ends with a whole one, the newest."""
    to_come = [True, True]
    verified, load = Checkpoint.verified, Checkpoint.load

    def go_on() -> None:
        if to_come:
            to_come.pop()
            run.go_on()

    def verify(path: Path) -> Checkpoint:
        if after == "found":
            go_on()
        found = verified(path)
        if after == "verified":
            go_on()
        return found

    def read(checkpoint: Checkpoint) -> float:
        if after == "half of it is read":
            go_on()
        return load(checkpoint, "model")["w"][0].item()

    monkeypatch.setattr(Checkpoint, "verified", verify)
    loaded = load_checkpoints(run.store, names, ALONE, read)

    assert [(each.name, value) for each, value in loaded] == [("step-00000003", 3.0)] * max(1, len(names))


def test_a_pointer_that_moves_while_it_is_followed_is_followed_again(run, monkeypatch):
    """Between the reading of the pointer and the look for what it names."""
    pointer, to_come = CheckpointStore.pointer, [True]

    def read(self: CheckpointStore, name: str) -> str | None:
        found = pointer(self, name)
        if self is not run.store and to_come:
            to_come.pop()
            run.go_on()
        return found

    monkeypatch.setattr(CheckpointStore, "pointer", read)
    (loaded,) = load_checkpoints(CheckpointStore(run.store.folder), ["last"], ALONE, lambda each: each.load("model"))

    assert loaded[0].name == "step-00000002"


def test_a_checkpoint_that_was_named_and_is_deleted_is_told(run):
    """Another one is not what was asked for."""

    def read(checkpoint: Checkpoint) -> float:
        run.go_on()
        return checkpoint.load("model")["w"][0].item()

    with pytest.raises(CheckpointError, match=r"No checkpoint 'step-00000001' .*There are: step-0000000"):
        load_checkpoints(run.store, ["step-00000001"], ALONE, read)


def test_a_checkpoint_that_is_there_and_damaged_is_told_at_once(run):
    """Nothing is tried again."""
    tried = []
    (run.store.folder / "step-00000001" / "model.safetensors").write_bytes(b"x")

    with pytest.raises(CheckpointError, match=r"model\.safetensors has 1 bytes"):
        load_checkpoints(run.store, (), ALONE, tried.append)
    assert tried == []


def test_the_only_good_checkpoint_outlives_retention_where_newer_ones_are_damaged(run, monkeypatch):
    """Also where the damaged ones cannot be renamed, as when a run goes back to the good one (rollback)."""
    run.store.save(5, 1, {"model": {"w": torch.ones(2)}}, {"loss": 0.1})
    run.store.save(6, 1, {"model": {"w": torch.ones(2)}}, {"loss": 0.2})
    for step in (5, 6):
        (run.store.folder / f"step-0000000{step}" / "model.safetensors").write_bytes(b"x")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
        good = run.store.newest_good()

    run.store.retain(keep_last=1, keep_best=1, metric="loss", higher_is_better=False)

    assert good is not None
    assert good.name == "step-00000001"
    assert Checkpoint.verified(good.path).step == 1
    shutil.rmtree(run.store.folder / "step-00000006")
    again = run.store.newest_good()
    assert again is not None
    assert again.name == "step-00000001"
