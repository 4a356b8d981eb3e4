"""Saving loses nothing, finding finds the newest that is whole, and deleting spares what is pointed to."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from seqtrain.checkpoint.manifest import NAME, FormatError
from seqtrain.checkpoint.store import CheckpointStore
from seqtrain.errors import CheckpointError, UsageError
from seqtrain.training.cadence import Every


def state(value: float = 1.0) -> dict[str, Any]:
    """Return a small state of every kind of part."""
    return {
        "model": {"weight": torch.full((2, 3), value)},
        "optimizer": {"state": {0: {"exp_avg": torch.full((2, 3), value / 2)}}, "param_groups": [{"lr": 0.1}]},
        "progress": {"step": 3, "cursor": 17},
        "callbacks.ema": {"weights": {"weight": torch.full((2, 3), -value)}, "count": 2},
    }


@pytest.fixture(autouse=True)
def _no_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save time: what a flush is good for shows only when the power fails."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    """Return the store of a run that has saved nothing yet."""
    return CheckpointStore(tmp_path / "checkpoints")


def fill(store: CheckpointStore, measures: Mapping[int, float | None], *, steps_per_epoch: int = 1) -> None:
    """Save a checkpoint per step, with its loss or without a validation."""
    for step, loss in measures.items():
        epoch = -(-step // steps_per_epoch)
        store.save(step, epoch, state(step), {} if loss is None else {"loss": loss})


def names(store: CheckpointStore) -> list[str]:
    return sorted(each.name for each in store.folder.iterdir() if each.is_dir())


def test_every_part_comes_back(store: CheckpointStore) -> None:
    """Model, optimizer and whatever else was given, each by its name."""
    path = store.save(500, 3, state(), {"loss": 2.5})
    checkpoint = store.open("last")

    assert store.folder / "step-00000500" == path == checkpoint.path
    assert (checkpoint.step, checkpoint.epoch, checkpoint.measures) == (500, 3, {"loss": 2.5})
    assert list(state()) == checkpoint.parts
    assert torch.equal(state()["model"]["weight"], checkpoint.load("model")["weight"])
    assert torch.equal(torch.full((2, 3), 0.5), checkpoint.load("optimizer")["state"][0]["exp_avg"])
    assert checkpoint.load("progress") == {"step": 3, "cursor": 17}
    assert checkpoint.load("callbacks.ema")["count"] == 2
    assert torch.equal(torch.full((2, 3), -1.0), checkpoint.load("callbacks.ema")["weights"]["weight"])


def test_the_files_are_those_of_the_design(store: CheckpointStore) -> None:
    """state.safetensors is there only where something besides model and optimizer has tensors."""
    with_ema, without = state(), state()
    del without["callbacks.ema"]
    usual = {"manifest.json", "model.safetensors", "optimizer.safetensors", "state.json"}

    assert usual == {file.name for file in store.save(1, 1, without, {}).iterdir()}
    assert usual | {"state.safetensors"} == {file.name for file in store.save(2, 1, with_ema, {}).iterdir()}


def test_equal_states_give_equal_files(tmp_path: Path) -> None:
    """Two runs that did the same leave the same bytes, manifest included."""
    first = CheckpointStore(tmp_path / "a").save(1, 1, state(), {"loss": 1.0})
    second = CheckpointStore(tmp_path / "b").save(1, 1, state(), {"loss": 1.0})

    for file in first.iterdir():
        assert file.read_bytes() == (second / file.name).read_bytes()


def test_an_unknown_part_is_refused_with_those_there_are(store: CheckpointStore) -> None:
    """So that a misspelled callback is found."""
    store.save(1, 1, state(), {})

    with pytest.raises(CheckpointError, match=r"holds no 'emma', but model, optimizer, progress, callbacks\.ema"):
        store.open("last").load("emma")


def test_loaded_tensors_outlive_their_file(store: CheckpointStore) -> None:
    """Pruning a checkpoint does not pull the rug from under who has read it."""
    path = store.save(1, 1, state(), {})
    weight = store.open("1").load("model")["weight"]
    shutil.rmtree(path)
    weight += 1

    assert torch.equal(torch.full((2, 3), 2.0), weight)


@pytest.mark.parametrize("name", ["last", "best", "2", "00000002", "step-00000002"])
def test_a_checkpoint_is_found_by_each_of_its_names(store: CheckpointStore, name: str) -> None:
    """By pointer, by number, by folder."""
    fill(store, {1: 3.0, 2: 2.0})
    store.retain(keep_last=2, keep_best=1, metric="loss", higher_is_better=False)

    assert store.open(name).step == 2


def test_a_checkpoint_is_found_by_its_path(store: CheckpointStore, tmp_path: Path) -> None:
    """Also one of another run."""
    elsewhere = CheckpointStore(tmp_path / "other").save(9, 1, state(), {})

    assert store.open(str(elsewhere)).step == 9


def test_an_unknown_name_lists_what_there_is(store: CheckpointStore) -> None:
    """The next thing to type stands in the message."""
    with pytest.raises(CheckpointError, match=r"No checkpoint 'last' in .*There is none yet"):
        store.open("last")
    fill(store, {1: None, 2: None})
    with pytest.raises(CheckpointError, match=r"No checkpoint '7' in .*There are: step-00000001, step-00000002\."):
        store.open("7")
    with pytest.raises(CheckpointError, match="No checkpoint 'best'"):
        store.open("best")


def test_opening_a_damaged_one_names_the_others(store: CheckpointStore) -> None:
    """A damaged checkpoint is never used, whoever asks for it."""
    fill(store, {1: None, 2: None})
    (store.folder / "step-00000002" / "model.safetensors").write_bytes(b"")

    with pytest.raises(CheckpointError, match=r"model\.safetensors has 0 bytes.*Name another one: step-00000001"):
        store.open("last")


@pytest.mark.parametrize("content", ["../../etc", "/etc", "", "a b", ".hidden"])
@pytest.mark.fault("F9")
def test_a_pointer_may_not_lead_out_of_its_folder(store: CheckpointStore, content: str) -> None:
    """A run folder from a stranger can be opened."""
    fill(store, {1: None})
    (store.folder / "last").write_text(content)

    with pytest.raises(CheckpointError, match="no checkpoint's name"):
        store.open("last")


def test_a_new_run_has_no_newest(store: CheckpointStore) -> None:
    """Nothing was saved, so nothing was lost."""
    assert store.newest_good() is None


def test_saving_a_step_again_replaces_it(store: CheckpointStore) -> None:
    """As when a run stops at a step that was saved already."""
    store.save(1, 1, state(1), {})
    store.save(1, 1, state(2), {"loss": 1.0})

    newest = store.newest_good()
    assert newest is not None
    assert newest.measures == {"loss": 1.0}
    assert torch.equal(torch.full((2, 3), 2.0), newest.load("model")["weight"])
    assert names(store) == ["step-00000001"]


@pytest.mark.parametrize(
    "file", ["model.safetensors", "optimizer.safetensors", "state.safetensors", "state.json", NAME]
)
@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "remove"])
@pytest.mark.fault("F5")
def test_the_one_before_is_used_when_the_newest_is_damaged(
    store: CheckpointStore, caplog: pytest.LogCaptureFixture, file: str, damage: str
) -> None:
    """Whatever happened to whichever file; the damaged one is kept aside with the reason, and a warning tells."""
    fill(store, {1: None, 2: None})
    path = store.folder / "step-00000002" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    changed = {"cut": path.read_bytes()[:-3], "flip": bytes(content), "empty": b""}
    path.unlink() if damage == "remove" else path.write_bytes(changed[damage])

    with caplog.at_level(logging.WARNING):
        newest = store.newest_good()

    assert newest is not None
    assert newest.step == 1
    assert names(store) == ["step-00000001", "step-00000002.damaged"]
    assert file in (store.folder / "step-00000002.damaged" / "REASON.txt").read_text()
    assert len(caplog.records) == 1
    assert file in caplog.text
    assert "Using step-00000001 instead" in caplog.text
    assert store.open("last").step == 1


def test_a_second_damaged_one_of_the_same_step_gets_its_own_name(store: CheckpointStore) -> None:
    """Nothing that was set aside is written over."""
    for _ in range(2):
        fill(store, {1: None, 2: None})
        (store.folder / "step-00000002" / "state.json").unlink()
        store.newest_good()

    assert names(store) == ["step-00000001", "step-00000002.damaged", "step-00000002.damaged-2"]


def test_a_run_whose_checkpoints_are_all_damaged_does_not_start_over(store: CheckpointStore) -> None:
    """Neither at once nor when the command is typed again; nothing is renamed."""
    fill(store, {1: None, 2: None})
    for each in store.checkpoints():
        (each.path / "model.safetensors").unlink()

    for _ in range(2):
        with pytest.raises(CheckpointError, match=r"No checkpoint .* can be used.*--fresh"):
            store.newest_good()
    assert names(store) == ["step-00000001", "step-00000002"]


def test_a_run_whose_only_trace_is_a_damaged_one_does_not_start_over(store: CheckpointStore) -> None:
    """The good one was deleted by hand after the damaged one was set aside."""
    fill(store, {1: None, 2: None})
    (store.folder / "step-00000002" / "model.safetensors").unlink()
    store.newest_good()
    shutil.rmtree(store.folder / "step-00000001")

    with pytest.raises(CheckpointError, match=r"step-00000002\.damaged were set aside earlier"):
        store.newest_good()


def test_a_checkpoint_of_a_newer_format_stops_the_run(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is whole; going back to an older one would throw away what was learned since."""
    fill(store, {1: None})
    monkeypatch.setattr("seqtrain.checkpoint.manifest.FORMAT", 2)
    fill(store, {2: None})
    monkeypatch.setattr("seqtrain.checkpoint.manifest.FORMAT", 1)

    with pytest.raises(FormatError, match="format 2"):
        store.newest_good()
    assert names(store) == ["step-00000001", "step-00000002"]


def test_best_is_dropped_when_its_checkpoint_is_set_aside(store: CheckpointStore) -> None:
    """No pointer leads to nowhere."""
    fill(store, {1: 2.0, 2: 1.0})
    store.retain(keep_last=2, keep_best=1, metric="loss", higher_is_better=False)
    (store.folder / "step-00000002" / "model.safetensors").unlink()
    store.newest_good()

    assert store.pointer("best") is None


@pytest.mark.fault("F2")
def test_leftovers_of_killed_processes_are_cleared(store: CheckpointStore) -> None:
    """Half a save disappears, a replaced checkpoint whose successor never came returns, strangers' files stay."""
    fill(store, {1: None, 2: None})
    (store.folder / ".step-00000003.tmp-99").mkdir()
    (store.folder / ".last.tmp-99").write_text("step-0")
    (store.folder / "step-00000002").rename(store.folder / ".step-00000002.old-99")
    shutil.copytree(store.folder / "step-00000001", store.folder / ".step-00000001.old-99")
    (store.folder / ".average-x.tmp-99").mkdir()
    (store.folder / ".mine").mkdir()

    newest = store.newest_good()
    assert newest is not None
    assert newest.step == 2
    assert sorted(each.name for each in store.folder.iterdir()) == [
        ".average-x.tmp-99",
        ".mine",
        "last",
        "step-00000001",
        "step-00000002",
    ]


# Retention: losses by step (None: no validation), settings, what stays, what is best.
@pytest.mark.parametrize(
    ("losses", "settings", "kept", "best"),
    [
        ({1: 5, 2: 4, 3: 3, 4: 2}, {"keep_last": 2, "keep_best": 1}, [3, 4], 4),
        ({1: 1, 2: 4, 3: 3, 4: 2}, {"keep_last": 1, "keep_best": 1}, [1, 4], 1),
        ({1: 1, 2: 2, 3: 3, 4: 4}, {"keep_last": 1, "keep_best": 2}, [1, 2, 4], 1),
        ({1: 1, 2: 2, 3: 3, 4: 4}, {"keep_last": 1, "keep_best": 2, "higher_is_better": True}, [3, 4], 4),
        ({1: 1, 2: 2, 3: 3, 4: 4}, {"keep_last": 2, "keep_best": 0}, [3, 4], 3),  # best of those that stay
        ({1: None, 2: 9, 3: None}, {"keep_last": 1, "keep_best": 2}, [2, 3], 2),  # no validation: never best
        ({1: None, 2: None}, {"keep_last": 1, "keep_best": 1}, [2], None),
        ({1: float("nan"), 2: 7, 3: None}, {"keep_last": 1, "keep_best": 5}, [2, 3], 2),
        ({1: float("inf"), 2: None}, {"keep_last": 1, "keep_best": 1}, [1, 2], 1),
        ({1: 2, 2: 2, 3: 2}, {"keep_last": 1, "keep_best": 1}, [1, 3], 1),  # of equals the earlier
        ({1: 3, 2: 2}, {"keep_last": 9, "keep_best": 9}, [1, 2], 2),
        ({s: s for s in range(1, 9)}, {"keep_last": 1, "keep_best": 1, "keep_every": Every(steps=3)}, [1, 3, 6, 8], 1),
        # Two steps an epoch: epochs 1 1 2 2 3 3 4 4 5. The last of every second epoch stays, not all of it.
        (
            {s: s for s in range(1, 10)},
            {"keep_last": 1, "keep_best": 1, "keep_every": Every(epochs=2)},
            [1, 4, 8, 9],
            1,
        ),
    ],
)
def test_retention(store: CheckpointStore, losses, settings, kept: list[int], best: int | None) -> None:
    """What stays and what is best, by hand."""
    fill(store, losses, steps_per_epoch=2 if settings.get("keep_every", Every()).epochs else 1)
    store.retain(**{"metric": "loss", "higher_is_better": False} | settings)

    assert kept == [each.step for each in store.checkpoints()]
    assert store.pointer("last") == f"step-{kept[-1]:08d}"
    assert store.pointer("best") == (None if best is None else f"step-{best:08d}")
    assert not any(each.name.startswith(".") for each in store.folder.iterdir())


def test_retaining_after_every_save_keeps_the_same_as_once_at_the_end(store: CheckpointStore) -> None:
    """An epoch's last checkpoint stays though it was not the last when the epoch began."""
    for step in range(1, 10):
        fill(store, {step: step}, steps_per_epoch=2)
        store.retain(keep_last=1, keep_best=1, metric="loss", higher_is_better=False, keep_every=Every(epochs=2))

    assert [each.step for each in store.checkpoints()] == [1, 4, 8, 9]


def test_what_the_pointers_name_is_never_deleted(store: CheckpointStore) -> None:
    """Even by a measure that nobody has, and though `last` is not the highest step."""
    fill(store, {1: 1.0, 2: 2.0, 3: 3.0})
    store.retain(keep_last=3, keep_best=1, metric="loss", higher_is_better=False)
    (store.folder / "last").write_text("step-00000002\n")
    store.retain(keep_last=1, keep_best=1, metric="bleu", higher_is_better=True)

    assert names(store) == ["step-00000001", "step-00000002", "step-00000003"]
    assert store.pointer("best") == "step-00000001"


def test_averages_are_neither_resumed_from_nor_deleted(store: CheckpointStore) -> None:
    """They hold no optimizer and belong to who made them."""
    fill(store, {1: 1.0, 2: 2.0})
    store.save_average("average-last-2", {"weight": torch.ones(1)}, store.checkpoints())
    fill(store, {3: 3.0})
    store.retain(keep_last=1, keep_best=0, metric="loss", higher_is_better=False)

    newest = store.newest_good()
    assert newest is not None
    assert newest.step == 3
    assert names(store) == ["average-last-2", "step-00000003"]
    average = store.open("average-last-2")
    assert average.step == 2
    assert average.measures == {}
    assert average.load("average_of") == ["step-00000001", "step-00000002"]


@pytest.mark.parametrize("name", ["last", "best", "500", "step-1", "../x", "a/b", "", ".x", "x.damaged", "-x"])
def test_an_average_may_not_take_a_name_of_training(store: CheckpointStore, name: str) -> None:
    """Such a name could be resumed from, or not found."""
    fill(store, {1: None})
    with pytest.raises(UsageError, match="An average cannot be called"):
        store.save_average(name, {"weight": torch.ones(1)}, store.checkpoints())


def test_the_ranking_is_remembered(store: CheckpointStore) -> None:
    """Averaging the best needs no setting of the run."""
    assert store.ranked() == []
    fill(store, {1: 3.0, 2: 9.0, 3: 5.0, 4: None})
    store.retain(keep_last=4, keep_best=1, metric="loss", higher_is_better=True)

    assert [each.step for each in store.ranked()] == [2, 3, 1]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EACCES, "permission denied"),
        (errno.EIO, "Input/output error"),
    ],
)
@pytest.mark.fault("F3")
def test_a_failing_disk_leaves_the_earlier_checkpoint(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, code: int, reason: str
) -> None:
    """At whichever flush it fails; no half of a checkpoint remains, and the message says what is still good."""
    fill(store, {1: None})
    real, flushes = os.fsync, 0

    def fail_at(number: int) -> None:
        def fsync(descriptor: int) -> None:
            nonlocal flushes
            flushes += 1
            if flushes == number:
                raise OSError(code, os.strerror(code))
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)

    for number in range(1, 7):  # five files and the folder; after that the new one is in place
        flushes = 0
        fail_at(number)
        with pytest.raises(CheckpointError, match=rf"{reason} .*step-00000001 is untouched"):
            store.save(2, 1, state(2), {})
        assert names(store) == ["step-00000001"]
        newest = store.newest_good()
        assert newest is not None
        assert newest.step == 1


@pytest.mark.fault("F4")
def test_a_read_only_folder_is_an_error_that_says_so(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing could be written at all."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(CheckpointError, match=r"the file system is read-only.*No earlier one exists"):
        store.save(1, 1, state(), {})


def test_a_checkpoint_that_cannot_be_deleted_does_not_stop_training(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Clutter is worth a warning, not a run."""
    fill(store, {1: None, 2: None})

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr("seqtrain.checkpoint.store.discard", refuse)
    store.retain(keep_last=1, keep_best=0, metric="loss", higher_is_better=False)

    assert "Cannot delete the old checkpoint" in caplog.text


def test_a_state_of_another_kind_leaves_nothing_behind(store: CheckpointStore) -> None:
    """A component that offers what cannot be saved is named, and no half folder stays."""
    with pytest.raises(CheckpointError, match=r"at 'callbacks\.mine\.seen'"):
        store.save(1, 1, state() | {"callbacks.mine": {"seen": {1, 2}}}, {})

    assert names(store) == []


@pytest.mark.parametrize(
    "content",
    [
        '{"model": {"w": {"$tensor": "no such"}}}',
        '{"model": {"w": {"$tensor": 5}}}',
        '{"model": {"$dict": 3}}',
        '{"model": {"$dict": [[[], 1]]}}',
        '{"model": {"$float": "x"}}',
        '{"model": ' + "[" * 100_000,
        "[]",
        "nonsense",
    ],
)
@pytest.mark.fault("F8")
def test_a_forged_state_is_an_error_of_ours(store: CheckpointStore, content: str) -> None:
    """References to nothing, odd tags, endless nesting: one message, no traceback."""
    store.save(1, 1, state(), {})
    checkpoint = store.open("last")
    (checkpoint.path / "state.json").write_text(content)

    with pytest.raises(CheckpointError):
        checkpoint.load("model")


@pytest.mark.parametrize("header", [b"", b"\xff" * 8, b"\x08" + bytes(7) + b"notjson!", b"\x02" + bytes(7) + b"{}"])
@pytest.mark.fault("F8")
def test_a_forged_tensor_file_is_an_error_of_ours(store: CheckpointStore, header: bytes) -> None:
    """A header of absurd length, no JSON, or no such tensor."""
    store.save(1, 1, state(), {})
    checkpoint = store.open("last")
    (checkpoint.path / "model.safetensors").write_bytes(header)

    with pytest.raises(CheckpointError, match="Cannot read 'model'"):
        checkpoint.load("model")


def refuse_rename_of(monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    """Let the system refuse to rename what starts like this."""
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if self.name.startswith(start):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)


def test_a_replacement_that_fails_brings_back_what_it_replaced(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old folder was moved out of the way already."""
    store.save(1, 1, state(1), {})
    refuse_rename_of(monkeypatch, ".step-00000001.tmp")
    with pytest.raises(CheckpointError, match="read-only"):
        store.save(1, 1, state(2), {})

    assert names(store) == ["step-00000001"]
    assert torch.equal(state(1)["model"]["weight"], store.open("1").load("model")["weight"])


def test_a_first_save_whose_rename_fails_leaves_nothing(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There was nothing to bring back."""
    refuse_rename_of(monkeypatch, ".step")
    with pytest.raises(CheckpointError, match="No earlier one exists"):
        store.save(1, 1, state(1), {})

    assert names(store) == []


def test_a_damaged_one_that_cannot_be_renamed_is_passed_over(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The good one is used all the same."""
    fill(store, {1: None, 2: None})
    (store.folder / "step-00000002" / "model.safetensors").unlink()
    refuse_rename_of(monkeypatch, "step-00000002")
    newest = store.newest_good()

    assert newest is not None
    assert newest.step == 1
    assert "It could not be renamed" in caplog.text


def test_leftovers_that_cannot_be_tidied_do_not_stop_a_run(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning says where they are."""
    fill(store, {1: None})
    (store.folder / ".step-00000002.old-99").mkdir()
    refuse_rename_of(monkeypatch, ".step")

    assert store.newest_good() is not None
    assert "Cannot tidy up" in caplog.text


def test_a_pointer_that_cannot_be_moved_is_an_error_of_ours(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint itself is complete by then, and the message says so."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("seqtrain.checkpoint.store.replace_text", refuse)
    with pytest.raises(CheckpointError, match=r"the disk is full .*step-00000001 is untouched"):
        store.save(1, 1, state(), {})

    assert names(store) == ["step-00000001"]


def test_an_unreadable_manifest_is_left_out_of_the_list(
    store: CheckpointStore, caplog: pytest.LogCaptureFixture
) -> None:
    """With a warning; it is neither ranked nor deleted."""
    fill(store, {1: 1.0, 2: 2.0})
    (store.folder / "step-00000001" / NAME).write_text("{")
    store.retain(keep_last=1, keep_best=0, metric="loss", higher_is_better=False)

    assert [each.step for each in store.checkpoints()] == [2]
    assert names(store) == ["step-00000001", "step-00000002"]
    assert "Leaving out a checkpoint" in caplog.text


def test_opening_a_newer_format_says_what_to_install(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not called damaged."""
    fill(store, {1: None})
    monkeypatch.setattr("seqtrain.checkpoint.manifest.FORMAT", 0)

    with pytest.raises(FormatError, match="Install the version"):
        store.open("last")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff"])
def test_an_unreadable_ranking_is_an_error_of_ours(store: CheckpointStore, content: bytes) -> None:
    """The message says how to do without."""
    store.folder.mkdir()
    (store.folder / "ranking.json").write_bytes(content)

    with pytest.raises(CheckpointError, match="Name the checkpoints instead"):
        store.ranked()


def test_a_pointer_that_is_no_text_is_an_error_of_ours(store: CheckpointStore) -> None:
    """Not a traceback about bytes."""
    fill(store, {1: None})
    (store.folder / "last").write_bytes(b"\xff")

    with pytest.raises(CheckpointError, match="cannot be read"):
        store.open("last")


@pytest.mark.parametrize("content", [b"\xff", b"../../etc", b"x" * 5000, b""])
@pytest.mark.fault("F5")
def test_a_broken_best_does_not_stop_a_run(store: CheckpointStore, caplog, content: bytes) -> None:
    """It is dropped, with a warning, and found out again by the next save."""
    fill(store, {1: 3.0, 2: 4.0})
    (store.folder / "best").write_bytes(content)
    (store.folder / "last").write_bytes(content)

    good = store.newest_good()
    store.retain(keep_last=2, keep_best=1, metric="loss", higher_is_better=False)

    assert good is not None
    assert (good.name, store.pointer("last"), store.pointer("best")) == (
        "step-00000002",
        "step-00000002",
        "step-00000001",
    )
    assert str(store.folder / "best") in caplog.text


@pytest.mark.parametrize("name", ["9" * 40, "9" * 5000, "x" * 5000, "a/" + "x" * 5000, "²"])
def test_a_name_of_any_kind_is_answered(store: CheckpointStore, name: str) -> None:
    """One that no file can have, or no number, too."""
    fill(store, {1: None})

    with pytest.raises(CheckpointError, match=r"No checkpoint .*There are: step-00000001\."):
        store.open(name)


def test_a_folder_that_cannot_be_listed_is_an_error_of_ours(tmp_path: Path) -> None:
    """Here because it is a file."""
    (tmp_path / "checkpoints").write_text("x")

    with pytest.raises(CheckpointError, match="Cannot list"):
        CheckpointStore(tmp_path / "checkpoints").checkpoints()


KILLS = '''
import json, os, shutil, signal, sys
from pathlib import Path
import torch
from seqtrain.checkpoint.store import CheckpointStore

torch.set_num_threads(1)
os.fsync = lambda descriptor: None  # a kill loses nothing that was written, so this only saves time
base, work, step = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
CALLS = ("fsync", "rename", "replace", "mkdir", "unlink", "rmdir", "chmod")

def state(value):
    return {"model": {"w": torch.full((64,), float(value))}, "optimizer": {}, "progress": {"value": value}}

def kill_at(number):
    count = 0
    def wrapped(real):
        def call(*args, **kwargs):
            nonlocal count
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)
        return call
    for name in CALLS:
        setattr(os, name, wrapped(getattr(os, name)))

def attempt(number):
    """Save in a child that dies right before call `number`; say whether it was killed."""
    child = os.fork()
    if child == 0:
        kill_at(number)
        store = CheckpointStore(work)
        store.save(step, 1, state(2), {})
        store.retain(keep_last=1, keep_best=0, metric="loss", higher_is_better=False)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])

CheckpointStore(base).save(100, 1, state(1), {})
values, number, killed = [], 0, True
while killed:
    number += 1
    shutil.copytree(base, work)
    killed = attempt(number)
    found = CheckpointStore(work).newest_good()
    value = found.load("progress")["value"]
    assert bool((found.load("model")["w"] == value).all())
    assert CheckpointStore(work).open("last").path == found.path
    assert not [each for each in work.iterdir() if each.name.startswith(".")], list(work.iterdir())
    CheckpointStore(work).save(300, 1, state(3), {})
    assert CheckpointStore(work).newest_good().step == 300
    shutil.rmtree(work)
    values.append(value)
print(json.dumps(values))
'''


@pytest.mark.runs
@pytest.mark.parametrize("step", [100, 200])
@pytest.mark.fault("F2")
def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path, step: int) -> None:
    """
    SIGKILL before every call that changes the disk: first the old checkpoint is found, later the new one.

    Step 100 replaces the one there is; step 200 is a new one, after which the old is deleted.
    """
    script = tmp_path / "kills.py"
    script.write_text(KILLS)
    command = [sys.executable, str(script), str(tmp_path / "base"), str(tmp_path / "work"), str(step)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert len(values) > 20
    assert sorted(values) == values
    assert {1, 2} == set(values)


LIMITED = """
import resource, sys
from pathlib import Path
import torch
from seqtrain.checkpoint.store import CheckpointStore
from seqtrain.errors import CheckpointError

store = CheckpointStore(Path(sys.argv[1]))
store.save(1, 1, {"model": {"w": torch.ones(8)}}, {})
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    store.save(2, 1, {"model": {"w": torch.ones(1 << 16)}}, {})
except CheckpointError as error:
    print(error)
assert store.newest_good().step == 1
assert sorted(each.name for each in store.folder.iterdir()) == ["last", "step-00000001"]
"""


@pytest.mark.runs
@pytest.mark.fault("F3")
def test_a_file_that_cannot_grow_is_an_error_with_its_reason(tmp_path: Path) -> None:
    """A real refusal by the system in the middle of a tensor, not a pretended one."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "checkpoints")], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "larger than the limit set for this process" in done.stdout
    assert "step-00000001 is untouched" in done.stdout
