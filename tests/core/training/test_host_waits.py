"""The host waits for the device only where something is logged, measured or saved; bad steps are noticed all the same."""

from __future__ import annotations

import math
import sys
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor

from seqtrain.checkpoint.catalog import CheckpointCatalog
from seqtrain.engine.engine import Engine
from seqtrain.errors import LossSpikeError, NonFiniteError
from seqtrain.task import Task
from seqtrain.training.cadence import Every

WAITS = ("item", "tolist", "__bool__", "__float__", "__int__", "__index__", "cpu", "numpy")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count what would wait for a device, by who calls it; torch's own code, which counts steps on the host, is left out."""
    found: Counter[str] = Counter()

    def counting(name: str, method: Any) -> Any:
        def counted(self: Tensor, *args: Any, **kwargs: Any) -> Any:
            caller = sys._getframe(1)
            if "/torch/" not in caller.f_code.co_filename:
                found[
                    f"{name} in {caller.f_code.co_qualname if sys.version_info >= (3, 11) else caller.f_code.co_name}"
                ] += 1
            return method(self, *args, **kwargs)

        return counted

    for name in WAITS:
        monkeypatch.setattr(Tensor, name, counting(name, getattr(Tensor, name)))
    return found


def test_a_step_waits_for_nothing(toy: Any, waits: Counter[str]) -> None:
    """But for the numbers of the step check, which are on the host already where the device is the CPU."""
    never = Every(steps=1000)
    trainer = toy.trainer(
        trainer={"max_steps": 100, "max_epochs": None, "validate": never},
        checkpoint={"save": never},
        logging={"every": never},
    )
    steps = iter(trainer.train_data.steps(1))
    trainer.train_step(next(steps))
    waits.clear()
    for step in steps:
        assert trainer.train_step(step)
        trainer.progress.advance(step.size, 1000)
        trainer.after_step()

    assert {"numpy in HostCopy.read"} == set(waits) or {"numpy in read"} == set(waits)  # by Python's version


@pytest.fixture
def delayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the CPU pass for a device that computes while the host runs ahead."""
    monkeypatch.setattr(Engine, "is_synchronous", False)


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what multiplies the loss of some updates, counted from 1, by a factor."""

    def spoil(factor: float, *updates: int) -> None:
        train_step = Task.train_step

        def spoiled(
            self: Any, sample: Any, model: Any, criterion: Any, optimizer: Any, update_num: int, **kwargs: Any
        ) -> Any:
            def wrong(*args: Any) -> Any:
                loss, *rest = criterion(*args)
                return loss * factor if update_num + 1 in updates else loss, *rest

            return train_step(self, sample, model, wrong, optimizer, update_num, **kwargs)

        monkeypatch.setattr(Task, "train_step", spoiled)

    return spoil


@pytest.mark.usefixtures("delayed")
def test_a_run_whose_steps_are_judged_late_is_the_same(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights and metrics."""
    late = toy.trainer("late", trainer={"loss_spike": 50.0})
    late.run()
    monkeypatch.setattr(Engine, "is_synchronous", True)
    early = toy.trainer("early", trainer={"loss_spike": 50.0})
    early.run()

    assert all(torch.equal(each, early.model.state_dict()[name]) for name, each in late.model.state_dict().items())
    assert early.step_check.state_dict() == late.step_check.state_dict()


@pytest.mark.usefixtures("delayed")
@pytest.mark.parametrize("step", [7, 8, 10, 33])
def test_a_bad_step_that_is_noticed_late_ends_the_run(toy: Any, spoil: Any, step: int) -> None:
    """At the next step, or before a line is logged (8), a checkpoint saved (10), or the run ended (33); the message says so."""
    spoil(math.nan, step)
    trainer = toy.trainer()
    with pytest.raises(NonFiniteError, match=rf"Step {step} .*not finite.* saved nowhere: .* resumes from the newest"):
        trainer.run()

    assert trainer.progress.step in (step - 1, step)
    for checkpoint in CheckpointCatalog(toy.folder / "run/checkpoints").checkpoints():
        assert checkpoint.step < step
        assert all(torch.isfinite(each).all() for each in checkpoint.load("model").values())
    assert "NaN" not in (toy.folder / "run/metrics.jsonl").read_text()


@pytest.mark.usefixtures("delayed")
def test_rolling_back_from_a_step_that_is_noticed_late_leaves_it_out(
    toy: Any, spoil: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end is that of a run that noticed it at once."""
    spoil(math.nan, 7, 18)
    late = toy.trainer("late", trainer={"on_bad_step": "rollback"})
    late.run()
    monkeypatch.setattr(Engine, "is_synchronous", True)
    early = toy.trainer("early", trainer={"on_bad_step": "rollback"})
    early.run()

    assert [7, 18] == late.progress.skipped_steps == early.progress.skipped_steps
    assert all(torch.equal(each, early.model.state_dict()[name]) for name, each in late.model.state_dict().items())


@pytest.mark.usefixtures("delayed")
def test_a_step_that_is_to_be_skipped_is_judged_before_its_update(toy: Any, spoil: Any) -> None:
    """The host waits then, as an update cannot be taken back."""
    spoil(math.nan, 7)
    trainer = toy.trainer(trainer={"on_bad_step": "skip"})
    trainer.run()

    assert [7] == trainer.progress.skipped_steps
    assert all(torch.isfinite(each).all() for each in trainer.model.state_dict().values())


@pytest.mark.usefixtures("delayed")
def test_a_spike_is_noticed_late_too(toy: Any, spoil: Any) -> None:
    """With the step that it was, not the one at which it was noticed."""
    spoil(100.0, 60)
    with pytest.raises(LossSpikeError, match=r"Step 60 .* more than 10 standard deviations .* saved nowhere"):
        toy.trainer(trainer={"max_epochs": 6, "loss_spike": 10.0}).run()
