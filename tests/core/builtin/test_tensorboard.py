from __future__ import annotations

import errno
import os
import warnings
from types import SimpleNamespace

import pytest

from seqtrain.builtin.config import TensorBoardConfig
from seqtrain.builtin.tensorboard import TensorBoard
from seqtrain.registry.hooks import run_hooks

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def trainer_at(step: int) -> SimpleNamespace:
    return SimpleNamespace(progress=SimpleNamespace(step=step))


def scalars(folder, name: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return [(each.step, each.value) for each in events.Scalars(name)]


def write_run(folder, start: int, steps: list[int], end: str = "seqtrain_run_end", **arguments: object) -> None:
    trainer = trainer_at(start)
    hooks = run_hooks({"trackers.tensorboard": TensorBoard(TensorBoardConfig(), folder=folder)}).hook
    hooks.seqtrain_run_start(trainer=trainer)
    for step in steps:
        hooks.seqtrain_metrics(step=step, metrics={"train/loss": step / 2, "train/lr": 0.5})
    getattr(hooks, end)(trainer=trainer, **arguments)


def test_each_metric_is_a_scalar(tmp_path):
    """Under its own name, at its step; the files are complete when the run has ended."""
    write_run(tmp_path, 0, [1, 2])

    assert scalars(tmp_path, "train/loss") == [(1, 0.5), (2, 1.0)]
    assert scalars(tmp_path, "train/lr") == [(1, 0.5), (2, 0.5)]


def test_a_failed_run_leaves_its_metrics(tmp_path):
    """They say what went on before it failed."""
    write_run(tmp_path, 0, [1], "seqtrain_run_exception", error=RuntimeError())

    assert scalars(tmp_path, "train/loss") == [(1, 0.5)]


def test_a_resumed_run_replaces_what_came_after_the_checkpoint(tmp_path):
    """Steps 3 and 4 were lost with the killed run and are made again."""
    write_run(tmp_path, 0, [1, 2, 3, 4])
    write_run(tmp_path, 2, [3])

    assert scalars(tmp_path, "train/loss") == [(1, 0.5), (2, 1.0), (3, 1.5)]


@pytest.mark.parametrize("start", [0, 5])
def test_without_metrics_nothing_is_written(tmp_path, start):
    """Only one process has metrics; the others leave no files."""
    write_run(tmp_path / "tensorboard", start, [])

    assert not (tmp_path / "tensorboard").exists()


@pytest.mark.fault("F33")
def test_metrics_wait_while_the_disk_is_full(tmp_path, monkeypatch, caplog):
    """The tracker is not dropped, no torn record hides what comes after, and all of it is there in the end."""
    hooks = run_hooks({"trackers.tensorboard": TensorBoard(TensorBoardConfig(), folder=tmp_path)}).hook
    hooks.seqtrain_run_start(trainer=trainer_at(0))
    hooks.seqtrain_metrics(step=1, metrics={"train/loss": 1.0})
    write, room = os.write, [10]

    def filling(descriptor: int, content: bytes) -> int:
        if room[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(descriptor, bytes(content)[: room[0]])
        room[0] = 0
        return written

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", filling)
        for step in (2, 3, 4, 5):
            hooks.seqtrain_metrics(step=step, metrics={"train/loss": float(step)})
    assert scalars(tmp_path, "train/loss") == [(1, 1.0)]
    hooks.seqtrain_metrics(step=6, metrics={"train/loss": 6.0})
    hooks.seqtrain_run_end(trainer=trainer_at(6))

    assert scalars(tmp_path, "train/loss") == [(step, float(step)) for step in range(1, 7)]
    assert [each.levelname for each in caplog.records] == ["ERROR", "WARNING"]
    assert str(tmp_path) in caplog.records[0].getMessage()
