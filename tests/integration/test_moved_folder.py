"""A run whose folder is taken away while it trains stops, and writes nothing into what has come in its place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from seqtrain.run.folder import RunFolder
from seqtrain.trainer import Trainer


def moved(run: Path) -> None:
    run.rename(run.with_name("moved"))


def replaced(run: Path) -> None:
    """Another run of the same settings has come in its place."""
    moved(run)
    shutil.copytree(run.with_name("moved"), run)
    (run / "lock").write_text("another's")


def linked(run: Path) -> None:
    """RUN is a link, which leads elsewhere from now on."""
    moved(run)
    RunFolder(run.with_name("other")).create()
    (run.with_name("other") / "lock").write_text("another's")
    run.symlink_to(run.with_name("other"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


@pytest.mark.parametrize("due", ["log", "validate", "save"])
@pytest.mark.parametrize("change", [moved, shutil.rmtree, replaced, linked])
@pytest.mark.fault("F39")
def test_a_run_that_loses_its_folder_stops(workshop, monkeypatch: pytest.MonkeyPatch, change, due: str) -> None:
    """With words and exit code 1, at the next line of metrics or the next save, whichever comes first."""
    before: dict[str, bytes] = {}
    after_step = Trainer.after_step

    def lose_folder(trainer: Trainer) -> None:
        if trainer.progress.step == 4:
            trainer.checkpointer.wait()
            change(workshop.run)
            before.update(contents(workshop.run))
        after_step(trainer)

    monkeypatch.setattr(Trainer, "after_step", lose_folder)
    cadences = {
        "logging__every": f"{{steps: {4 if due == 'log' else 100}}}",
        "trainer__validate": f"{{steps: {4 if due == 'validate' else 100}}}",
        "checkpoint__save": "{steps: 2}",
    }

    outcome = workshop.train(trackers__tensorboard=None, **cadences)

    assert outcome.code == 1, outcome.err
    what = "replaced by another" if change in (replaced, linked) else "moved or deleted"
    assert f"{workshop.run} was {what} while this run trained in it" in outcome.err
    assert "Traceback" not in outcome.err
    assert before == contents(workshop.run)
    assert workshop.run.exists() == (change in (replaced, linked))


def test_a_folder_that_is_put_back_is_trained_in_again(workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the message says; and the bits are those of a run that was left alone."""
    after_step = Trainer.after_step
    with monkeypatch.context() as patch:
        patch.setattr(
            Trainer,
            "after_step",
            lambda trainer: (moved(workshop.run) if trainer.progress.step == 4 else None, after_step(trainer)),
        )
        assert workshop.train().code == 1
    workshop.run.with_name("moved").rename(workshop.run)
    alone = workshop.folder / "alone"

    assert workshop.train().code == 0
    assert workshop.train(run=alone).code == 0
    assert workshop.weights(6) == workshop.weights(6, alone)
    assert workshop.metrics() == workshop.metrics(alone)
