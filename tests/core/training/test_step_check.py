"""Steps whose numbers have gone wrong, and how a run goes on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from seqtrain.batch import Batch
from seqtrain.config.option import Selection
from seqtrain.config.schema import DistributedConfig, TrainerConfig
from seqtrain.engine.engine import Engine
from seqtrain.errors import LossSpikeError, NonFiniteError, OutOfMemoryError
from seqtrain.plugin import hookimpl
from seqtrain.training.cadence import Every
from seqtrain.training.step_check import StepCheck, StepNumbers
from tiny_runs import read_metrics


@pytest.fixture
def in_step(toy) -> Callable[..., None]:
    """Let a function of (loss, model) spoil the given updates, counted from 1; it returns the loss."""

    def spoil(function: Callable[[torch.Tensor, Any], torch.Tensor], *updates: int) -> None:
        task = toy.registry.parts["task", "toy"]

        class Spoiled(task):
            def train_step(
                self, sample: Batch, model: Any, criterion: Any, optimizer: Any, update_num: int, *, ignore_grad: bool
            ) -> Any:
                loss, *rest = super().train_step(
                    sample, model, criterion, optimizer, update_num, ignore_grad=ignore_grad
                )
                return (function(loss, model) if update_num + 1 in updates else loss, *rest)

        toy.registry.parts["task", "toy"] = Spoiled

    return spoil


def infinite_gradient(loss: torch.Tensor, model: Any) -> torch.Tensor:
    """Leave the loss as it is."""
    next(model.parameters()).grad[0] = math.inf
    return loss


def not_a_number(loss: torch.Tensor, model: Any) -> torch.Tensor:
    return loss * math.nan


def weights(trainer: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}


def assert_same_end(first: Any, second: Any) -> None:
    """Weights, optimizer and counters are equal bit for bit."""
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name]), name
    assert str(first.optimizer.state_dict()["state"]) == str(second.optimizer.state_dict()["state"])
    assert first.progress.skipped_steps == second.progress.skipped_steps
    assert first.progress.step == second.progress.step


def metrics(toy: Any, run: str) -> list[dict[str, Any]]:
    return read_metrics(toy.folder / run)


@pytest.mark.parametrize("wrong", [infinite_gradient, not_a_number])
@pytest.mark.fault("F14")
def test_a_bad_step_ends_the_run_with_a_report_by_default(toy, in_step, wrong):
    """It names step, place and examples; nothing was updated."""
    in_step(wrong, 7)
    trainer, kept = watched(toy, 6)
    with pytest.raises(
        NonFiniteError, match=r"(?s)Step 7 .*not finite.*Nothing was updated\. Sample ids .*on_bad_step"
    ):
        trainer.run()

    assert 6 == trainer.progress.step
    assert all(torch.equal(kept[6][name], tensor) for name, tensor in trainer.model.state_dict().items())


class KeepsWeights:
    """A callback that keeps the weights after some steps."""

    def __init__(self, *steps: int) -> None:
        self.kept = dict.fromkeys(steps)

    @hookimpl
    def seqtrain_step_end(self, trainer: Any) -> None:
        if trainer.progress.step in self.kept:
            self.kept[trainer.progress.step] = weights(trainer)


def watched(toy: Any, *steps: int, **changes: Any) -> tuple[Any, dict[int, Any]]:
    """Return a trainer, and what the weights are after some steps, to be filled as it runs."""
    watcher = KeepsWeights(*steps)
    toy.registry.parts["callback", "watch"] = lambda config: watcher
    callbacks = (Selection("callback", "watch", toy.config().task.config),)
    return toy.trainer(callbacks=callbacks, **changes), watcher.kept


@pytest.mark.fault("F14")
def test_a_skipped_step_changes_nothing_but_the_count(toy, in_step, caplog):
    """Weights after step 7 are those after step 6; the metrics hold only numbers."""
    in_step(infinite_gradient, 7)
    trainer, kept = watched(toy, 6, 7, trainer={"on_bad_step": "skip"})
    trainer.run()

    assert [7] == trainer.progress.skipped_steps
    assert 33 == trainer.progress.step
    assert all(torch.equal(kept[6][name], kept[7][name]) for name in kept[6])
    assert "NaN" not in (toy.folder / "run/metrics.jsonl").read_text()
    assert "Going on after step 6, without step 7" in caplog.text


@pytest.mark.parametrize("wrong", [infinite_gradient, not_a_number])
@pytest.mark.fault("F14")
def test_rolling_back_ends_where_skipping_does(toy, in_step, wrong):
    """Back to step 5, and without step 7: the same weights, optimizer and metrics as without having gone back."""
    in_step(wrong, 7, 18)
    ends = {}
    for policy in ("skip", "rollback"):
        ends[policy] = toy.trainer(policy, trainer={"on_bad_step": policy})
        ends[policy].run()

    assert [7, 18] == ends["rollback"].progress.skipped_steps
    assert_same_end(ends["skip"], ends["rollback"])
    assert metrics(toy, "skip") == metrics(toy, "rollback")


@pytest.mark.parametrize("policy", ["skip", "rollback"])
@pytest.mark.parametrize("stop", [6, 7, 12])
@pytest.mark.fault("F14")
def test_a_run_that_left_a_step_out_goes_on_to_the_bit(toy, in_step, policy, stop):
    """Interrupted before or after it, and resumed from the checkpoint before."""
    in_step(infinite_gradient, 7)
    changes = {"on_bad_step": policy, "max_epochs": 2}
    straight = toy.trainer("straight", trainer=changes)
    straight.run()
    toy.trainer("resumed", trainer={**changes, "max_steps": stop}).run()
    resumed = toy.trainer("resumed", trainer=changes)
    assert resumed.restore()
    resumed.run()

    assert_same_end(straight, resumed)


def test_rolling_back_needs_a_checkpoint(toy, in_step):
    """Before the first one, a bad step ends the run."""
    in_step(infinite_gradient, 3)
    with pytest.raises(NonFiniteError, match="Step 3 "):
        toy.trainer(trainer={"on_bad_step": "rollback"}).run()


@pytest.mark.parametrize("policy", ["skip", "rollback"])
def test_too_many_bad_steps_end_the_run(toy, in_step, policy):
    """Two are allowed here; the third is told."""
    in_step(infinite_gradient, 7, 8, 12)
    with pytest.raises(NonFiniteError, match="Step 12 "):
        toy.trainer(trainer={"on_bad_step": policy, "max_bad_steps": 2}).run()


@pytest.mark.fault("F14")
def test_a_spike_of_the_loss_is_refused(toy, in_step):
    """A hundred times the loss, with a gradient that is as it was; only where it is asked for."""
    in_step(lambda loss, model: loss * 100, 60)
    toy.trainer("unasked", trainer={"max_epochs": 6}).run()
    with pytest.raises(LossSpikeError, match=r"Step 60 .* more than 10 standard deviations .* Sample ids"):
        toy.trainer("asked", trainer={"max_epochs": 6, "loss_spike": 10.0}).run()


def test_a_spike_can_be_skipped(toy, in_step):
    """As other bad steps are."""
    in_step(lambda loss, model: loss * 100, 60)
    trainer = toy.trainer(trainer={"max_epochs": 6, "loss_spike": 10.0, "on_bad_step": "skip"})
    trainer.run()

    assert [60] == trainer.progress.skipped_steps


def check(checked: StepCheck, loss: float, sample_size: int, step: int = 1, norm: float = 1.0) -> Any:
    """Have a step judged by its loss."""
    by_worker = torch.tensor([[norm, loss]])
    return checked.check(StepNumbers(step, 1, [], [torch.tensor(loss)], by_worker, sample_size))


def test_mean_and_variance_of_the_first_steps_are_those_of_all_steps_so_far():
    """By hand, for 2, 4 and 9: mean 5, variance (9 + 1 + 16) / 3."""
    guard = StepCheck(TrainerConfig(loss_spike=3.0), Engine(DistributedConfig()))
    for loss in (4.0, 8.0, 18.0):
        assert check(guard, loss, 2) is None

    state = guard.state_dict()
    assert 3 == state["steps"]
    assert math.isclose(5, state["mean"])
    assert math.isclose(26 / 3, state["variance"])


def test_later_steps_weigh_more_than_those_long_ago():
    """After 50 steps each new one has a share of 0.02: from 0 to 1 the mean moves by that."""
    guard = StepCheck(TrainerConfig(loss_spike=1e9), Engine(DistributedConfig()))
    for _ in range(100):
        assert check(guard, 0.0, 1) is None
    guard.load_state_dict({**guard.state_dict(), "variance": 1.0})
    assert check(guard, 1.0, 1) is None

    assert math.isclose(0.02, guard.state_dict()["mean"])
    assert math.isclose(0.98 * (1 + 0.02), guard.state_dict()["variance"])


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000000000 bytes."),
        MemoryError(),
    ],
)
@pytest.mark.fault("F15")
def test_a_full_memory_names_the_batch_and_what_to_lower(toy, in_step, error):
    """The shape, and both settings; the checkpoint before is untouched."""

    def fail(loss: torch.Tensor, model: Any) -> torch.Tensor:
        raise error

    in_step(fail, 7)
    with pytest.raises(OutOfMemoryError, match=r"(?s)tokens \(\d+, \d+\).*data\.max_tokens.*micro_batches_per_step"):
        toy.trainer().run()

    again = toy.trainer()
    assert again.restore()
    assert 5 == again.progress.step


@pytest.mark.fault("F15")
def test_the_real_error_of_a_full_memory_is_known(toy, in_step):
    """Asked for more bytes than any machine has, torch raises what is recognised."""
    in_step(lambda loss, model: torch.empty(1 << 55), 2)
    with pytest.raises(OutOfMemoryError, match="allocate"):
        toy.trainer().run()


def test_other_errors_of_a_step_are_left_as_they_are(toy, in_step):
    """Shapes that do not fit are no matter of memory."""
    in_step(lambda loss, model: torch.ones(2) @ torch.ones(3), 2)
    with pytest.raises(RuntimeError, match="inconsistent tensor size") as raised:
        toy.trainer().run()

    assert not isinstance(raised.value, OutOfMemoryError)


@pytest.mark.fault("F29")
def test_a_checkpoint_from_before_the_guard_is_gone_on_with(toy, monkeypatch, caplog):
    """What it knows nothing of starts anew, and the log says so."""
    trainer = toy.trainer(trainer={"max_steps": 5})
    old_state = {name: part for name, part in trainer.state.items() if name != "guard"}
    monkeypatch.setattr(type(trainer), "state", property(lambda self: old_state))
    trainer.run()
    monkeypatch.undo()
    resumed = toy.trainer()

    assert resumed.restore()
    assert "knows nothing of guard: starting anew with it" in caplog.text
    assert 5 == resumed.progress.step


def test_measures_are_logged_when_every_step_of_an_interval_was_left_out(toy, in_step):
    """There is nothing to report but the learning rate, and that is no error."""
    in_step(infinite_gradient, 7, 8, 9, 10, 11, 12)
    toy.trainer(trainer={"on_bad_step": "skip"}, logging={"every": Every(steps=1)}).run()

    [line] = [line for line in metrics(toy, "run") if line["step"] == 8 and line["split"] == "train"]
    assert "train/lr" in line
    assert "train/loss" not in line
