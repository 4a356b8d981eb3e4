"""The epoch loop: what a step does, when duties fall due, when a run ends, and how it goes on."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from seqtrain import train
from seqtrain.batch import Step
from seqtrain.checkpoint.atomic_io import NotWrittenError
from seqtrain.config.option import Selection
from seqtrain.errors import CheckpointError, ConfigError, DataError, NonFiniteError, SeqtrainError
from seqtrain.metrics.logger import _Rate
from seqtrain.plugin import hookimpl
from seqtrain.run.folder import RunFolder
from seqtrain.trainer import Trainer
from seqtrain.training.cadence import Every
from seqtrain.workers.group import WorkerGroup


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}


def assert_same_weights(left: Trainer, right: Trainer) -> None:
    for name, tensor in left.model.state_dict().items():
        assert torch.equal(tensor, right.model.state_dict()[name]), name


def lines(path: Path) -> list[dict[str, Any]]:
    """Return metrics.jsonl without what depends on the clock."""
    clock = ("tokens_per_s", "sentences_per_s", "wall_s")
    return [
        {key: value for key, value in json.loads(line).items() if not key.endswith(clock)}
        for line in path.read_text().splitlines()
    ]


class Interrupted(SeqtrainError):
    pass


class InterruptAt:
    """A callback that raises after a step, as a kill would end the process there."""

    def __init__(self, step: int) -> None:
        self.step = step

    @hookimpl
    def seqtrain_step_end(self, trainer: Trainer) -> None:
        if trainer.progress.step == self.step:
            raise Interrupted


def interrupt(toy: Any, step: int) -> dict[str, Any]:
    toy.registry.parts["callback", "interrupt"] = lambda config: InterruptAt(step)
    return {"callbacks": (Selection("callback", "interrupt", toy.config().task.config),)}


# --- a step ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", [[9], [3, 6], [1] * 9])
def test_gradients_do_not_depend_on_the_split_into_micro_batches(toy, split: list[int]) -> None:
    """The same nine examples as 1 x 9, 2 or 9 x 1 micro-batches, padded differently, give the same update."""
    toy.registry.parts["model", "toy"] = without_dropout(toy.registry.parts["model", "toy"])
    whole, parts = toy.trainer("whole"), toy.trainer("parts")
    data = whole.task.dataset("train")
    edges = [sum(split[:each]) for each in range(len(split) + 1)]

    whole.train_step(Step([data.collate(range(9))], 1))
    samples = [data.collate(range(start, stop)) for start, stop in itertools.pairwise(edges)]
    parts.train_step(Step(samples, len(samples)))

    for left, right in zip(whole.optimizer.parameters, parts.optimizer.parameters, strict=True):
        torch.testing.assert_close(left.grad, right.grad, rtol=1e-5, atol=1e-7)


def without_dropout(make: Any) -> Any:
    def made(config: object, *, spec: Any) -> nn.Module:
        model = make(config, spec=spec)
        model.dropout = nn.Identity()
        return model

    return made


def test_the_gradient_is_the_mean_over_targets(toy) -> None:
    """Backward sums; one division by the number of real targets follows."""
    toy.registry.parts["model", "toy"] = without_dropout(toy.registry.parts["model", "toy"])
    trainer = toy.trainer(trainer={"clip_norm": None})
    batch = trainer.task.dataset("train").collate(range(4))
    loss, size, _ = trainer.criterion(trainer.model, batch)
    expected = torch.autograd.grad(loss / size, list(trainer.model.parameters()))

    trainer.train_step(Step([batch], 1))

    for gradient, parameter in zip(expected, trainer.model.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad)


def test_ignored_gradients_are_zero_and_counted_as_such(toy) -> None:
    """`ignore_grad` runs forward and backward and adds nothing."""
    trainer = toy.trainer()
    batch = trainer.task.dataset("train").collate(range(4))
    trainer.task.train_step(batch, trainer.model, trainer.criterion, trainer.optimizer, 0, ignore_grad=True)

    assert all(not parameter.grad.any() for parameter in trainer.model.parameters())


def test_a_step_is_profiled_under_its_six_names(toy) -> None:
    """The ranges are fairseq's, in its order."""
    trainer = toy.trainer()
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        trainer.train_step(Step([trainer.task.dataset("train").collate(range(4))], 1))

    names = ("forward", "backward", "reduce-grads", "multiply-grads", "clip-grads", "optimizer")
    starts = {event.name: event.time_range.start for event in recorded.events() if event.name in names}
    assert list(names) == sorted(starts, key=starts.__getitem__)


def test_dropout_is_a_function_of_seed_step_and_micro_batch(toy) -> None:
    """Whatever was drawn before, the same step gives the same gradient; another seed another."""
    first, second, third = toy.trainer("1"), toy.trainer("2"), toy.trainer("3", trainer={"seed": 2})
    torch.rand(1000)
    third.model.load_state_dict(first.model.state_dict())
    for trainer in (first, second, third):
        trainer.train_step(Step([trainer.task.dataset("train").collate(range(4))], 1))
        torch.rand(7)

    assert_same_weights(first, second)
    assert not torch.equal(first.model.output.weight, third.model.output.weight)


@pytest.mark.parametrize("culprit", ["embedding", "output"])
def test_numbers_that_are_not_finite_stop_the_run_before_the_update(toy, culprit: str) -> None:
    """The error names step, module, sample ids and places; no weight has changed."""
    trainer = toy.trainer()
    with torch.no_grad():
        next(getattr(trainer.model, culprit).parameters())[:] = float("nan")
    before = weights(trainer)
    with pytest.raises(
        NonFiniteError, match=rf"Step 1 \(epoch 1\).*output of module {culprit}.*toy:\d+.*lower optimizer"
    ):
        trainer.run()

    for name, tensor in trainer.model.state_dict().items():
        assert torch.equal(before[name].nan_to_num(7), tensor.nan_to_num(7))


def test_an_infinite_gradient_is_found_where_the_loss_is_finite(toy) -> None:
    """sqrt(0) is 0, and its slope is infinite."""

    def criterion(config: object, *, spec: Any) -> Any:
        def call(model: nn.Module, sample: Any, /) -> Any:
            loss = (model(**sample.net_input) * 0).sum().sqrt()
            return loss, sample.num_targets, {"loss": loss.detach()}

        return call

    toy.registry.parts["criterion", "toy"] = criterion
    with pytest.raises(NonFiniteError, match=r"in the gradient of embedding\.weight"):
        toy.trainer().run()


# --- when ----------------------------------------------------------------------------------------------------------


def test_hooks_are_called_in_the_documented_order(toy) -> None:
    """Two epochs, validating and saving at their ends."""
    seen: list[str] = []

    def note(name: str) -> Any:
        return hookimpl(specname=name)(lambda self: seen.append(name.removeprefix("seqtrain_")))

    names = "run_start epoch_start step_end validation_start validation_end checkpoint_saved epoch_end run_end run_exception"
    watcher = type("Watcher", (), {name: note(f"seqtrain_{name}") for name in names.split()})
    toy.registry.parts["callback", "watch"] = lambda config: watcher()
    trainer = toy.trainer(
        trainer={"max_epochs": 2},
        data={"max_tokens": 10_000},
        checkpoint={"save": Every(epochs=1), "asynchronous": False},
        callbacks=(Selection("callback", "watch", toy.config().task.config),),
    )
    trainer.run()

    epoch = ["epoch_start", "step_end", "validation_start", "validation_end", "checkpoint_saved", "epoch_end"]
    assert ["run_start", *epoch, *epoch, "run_end"] == seen


@pytest.mark.parametrize(
    ("limits", "reason", "step"),
    [
        ({"max_epochs": 2}, "trainer.max_epochs=2 reached", 22),
        ({"max_steps": 5, "max_epochs": None}, "trainer.max_steps=5 reached", 5),
        ({"max_epochs": 1, "max_steps": 500}, "trainer.max_epochs=1 reached", 11),
        ({"stop_min_lr": 0.035}, "fallen to trainer.stop_min_lr=0.035", 15),
        ({"stop_time_hours": 1e-12}, "trainer.stop_time_hours", 1),
        ({"patience": 1, "validate": Every(steps=2), "best_metric": "never"}, "has not improved", 4),
    ],
)
def test_a_run_ends_at_its_limits(toy, limits: dict[str, Any], reason: str, step: int) -> None:
    """Each limit alone, with the reason it gives; a checkpoint of the last step is there."""
    if "patience" in limits:
        measured = {"measure": lambda self, split, models: {"never": 1.0}}
        toy.registry.parts["task", "toy"] = type("Constant", (toy.registry.parts["task", "toy"],), measured)
    trainer = toy.trainer(trainer=limits)
    trainer.run()

    assert reason in trainer.stop_reason
    assert step == trainer.progress.step
    assert (toy.folder / f"run/checkpoints/step-{step:08d}/manifest.json").exists()


def test_duties_fall_due_at_their_cadences(toy) -> None:
    """11 steps: logged at 4 and 8; validated at 6, the best so far, and at the end; saved at 5, 6, 10 and the end."""
    toy.trainer(trainer={"max_epochs": 1, "validate": Every(steps=6)}).run()

    written = lines(toy.folder / "run/metrics.jsonl")
    assert [4, 8] == [line["step"] for line in written if line["split"] == "train"]
    assert [11] == [line["step"] for line in written if line["split"] == "epoch"]
    assert [6, 11] == [line["step"] for line in written if line["split"] == "valid"]
    saved = sorted(path.name for path in (toy.folder / "run/checkpoints").glob("step-*"))
    assert ["step-00000005", "step-00000006", "step-00000010", "step-00000011"] == saved


def test_a_line_of_metrics_has_the_documented_keys(toy) -> None:
    """Keys that programs rely on."""
    toy.trainer(trainer={"max_epochs": 1}).run()
    first = json.loads((toy.folder / "run/metrics.jsonl").read_text().splitlines()[0])

    expected = {"step", "epoch", "split", "wall_s"}
    expected |= {f"train/{key}" for key in ("loss", "lr", "grad_norm", "tokens_per_s", "sentences_per_s", "padding")}
    assert expected == set(first)
    assert 0 <= first["train/padding"] < 1


def test_the_run_learns(toy) -> None:
    """Which of 24 words comes next is learned in a few epochs, as far as it can be known."""
    trainer = toy.trainer(trainer={"max_epochs": 12})
    untrained = trainer.task.measure("valid", [trainer.model.eval()])["accuracy"]
    trainer.run()

    assert untrained < 0.1
    assert trainer.measures["accuracy"] > 0.3


# --- going on -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefetch", [0, 3])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("stop", [4, 9, 12, 17, 24])
def test_an_interrupted_run_goes_on_to_the_bit(toy, stop: int, prefetch: int, precision: str) -> None:
    """Interrupted anywhere and resumed, it ends with the weights and the metrics of an undisturbed run."""
    changes = {
        "data": {"prefetch": prefetch},
        "trainer": {"precision": precision, "micro_batches_per_step": 2, "max_epochs": 5},
    }
    straight = toy.trainer("straight", **changes)
    straight.run()
    with pytest.raises(Interrupted):
        toy.trainer("resumed", **changes, **interrupt(toy, stop)).run()
    resumed = toy.trainer("resumed", **changes)

    assert resumed.restore() == (stop > 5)
    resumed.run()
    assert_same_weights(straight, resumed)
    assert lines(toy.folder / "straight/metrics.jsonl") == lines(toy.folder / "resumed/metrics.jsonl")


def test_a_run_over_parts_of_the_data_goes_on_within_one(toy) -> None:
    """Each of three epochs is over a third; two of them, and the first of another three, have been seen by then."""
    changes = {"data": {"epoch_parts": 3}, "trainer": {"max_epochs": 7}, "checkpoint": {"keep_best": 0}}
    straight = toy.trainer("straight", **changes)
    seen = [example for epoch in (1, 2, 3) for example in straight.train_data.plan(epoch).order.values.tolist()]
    straight.run()
    with pytest.raises(Interrupted):
        toy.trainer("resumed", **changes, **interrupt(toy, straight.progress.step // 2)).run()
    resumed = toy.trainer("resumed", **changes)

    assert resumed.restore()
    assert resumed.progress.cursor not in (0, resumed.train_data.plan(resumed.progress.epoch).num_micro_batches)
    resumed.run()
    assert_same_weights(straight, resumed)
    assert lines(toy.folder / "straight/metrics.jsonl") == lines(toy.folder / "resumed/metrics.jsonl")
    assert list(range(len(straight.train_data.dataset))) == sorted(seen)


def saved_steps(toy, run: str = "run") -> list[int]:
    """Return the steps of which there are checkpoints, and that of the best at the end."""
    folder = toy.folder / run / "checkpoints"
    return [int(each.name[5:]) for each in (*sorted(folder.glob("step-*")), folder / (folder / "best").read_text())]


class Scripted:
    """A callback that has validations measure what a test wants: its values, one after the other."""

    def __init__(self, values: list[float]) -> None:
        self.values = values

    @hookimpl
    def seqtrain_validation_end(self, trainer: Trainer, measures: dict[str, float]) -> None:
        measures["accuracy"] = self.values[trainer.progress.step // 4 - 1]


@pytest.mark.parametrize("keep_best", [0, 1])
@pytest.mark.parametrize("interrupted", [None, 9, 14])
def test_the_best_validation_is_saved_whenever_it_falls(toy, interrupted: int | None, keep_best: int) -> None:
    """Validations at 4, 8, 12, 16, of which 4 and 12 are the best so far, and saves at 10 and 20: all four are kept."""
    script = Scripted([0.2, 0.1, 0.4, 0.3, 0.3])
    toy.registry.parts["callback", "scripted"] = lambda config: script
    toy.registry.parts["callback", "interrupt"] = lambda config: InterruptAt(interrupted or 99)
    nothing = toy.config().task.config
    changes = {
        "trainer": {"validate": Every(steps=4), "max_steps": 20, "max_epochs": None, "best_metric": "accuracy"},
        "checkpoint": {"save": Every(steps=10), "keep_last": 9, "keep_best": keep_best},
        "callbacks": (Selection("callback", "scripted", nothing), Selection("callback", "interrupt", nothing)),
    }
    if interrupted:
        with pytest.raises(Interrupted):
            toy.trainer(**changes).run()
        toy.registry.parts["callback", "interrupt"] = lambda config: InterruptAt(99)
    trainer = toy.trainer(**changes)
    trainer.restore()
    trainer.run()

    assert saved_steps(toy)[:-1] == ([4, 10, 12, 20] if keep_best else [10, 20])
    if keep_best:
        assert saved_steps(toy)[-1] == 12


def test_after_a_save_that_failed_the_next_validation_is_the_best(toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The best was lost with it, so a worse one is the best that there can be."""
    script = Scripted([0.4, 0.3, 0.2])
    toy.registry.parts["callback", "scripted"] = lambda config: script
    trainer = toy.trainer(
        trainer={"validate": Every(steps=4), "max_steps": 12, "max_epochs": None, "best_metric": "accuracy"},
        checkpoint={"save": Every(), "keep_last": 9, "retries": 0, "asynchronous": False},
        callbacks=(Selection("callback", "scripted", toy.config().task.config),),
    )
    store = trainer.checkpointer._store
    save = store.save

    def fail_once(step: int, *rest: Any) -> Path:
        if step == 4:
            raise NotWrittenError("the disk is full")
        return save(step, *rest)

    monkeypatch.setattr(store, "save", fail_once)
    trainer.run()

    assert saved_steps(toy) == [8, 12, 8]


def test_a_run_is_not_measured_again_at_its_end(toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a test set, its results are those of the validation of its best checkpoint, and of the last epoch."""
    trainer = toy.trainer()
    trainer.run()
    monkeypatch.setattr(train, "load_run", None)
    results = train.report(trainer, toy.config(), toy.registry, RunFolder(toy.folder / "run"))
    *_, line = lines(toy.folder / "run/metrics.jsonl")
    best = saved_steps(toy)[-1]
    validated = [each for each in lines(toy.folder / "run/metrics.jsonl") if each["split"] == "valid"]

    assert (line["split"], line["step"], line["epoch"]) == ("valid", trainer.progress.step, 3)
    assert results.measures == trainer.validations[best]
    assert {name: value for name, value in line.items() if name.startswith("valid/")} == {
        name: value
        for each in validated
        if each["step"] == best and "checkpoint" not in each
        for name, value in each.items()
        if name.startswith("valid/")
    }


def test_tokens_are_counted_by_side(toy) -> None:
    """Targets, and the source where there is one; the rates of one line have the same clock, so ratios are exact."""
    trainer = toy.trainer()
    sample = trainer.task.dataset("train").collate(torch.arange(8).numpy())
    rate = _Rate()
    rate.add(replace(sample, num_source_tokens=3 * sample.num_targets))
    rate.add(replace(sample, target=torch.zeros(len(sample)), num_targets=len(sample)))  # numbers: of the input
    measured = rate.means(WorkerGroup())

    assert measured["source_tokens_per_s"] / measured["sentences_per_s"] == pytest.approx(3 * sample.num_targets / 16)
    assert measured["tokens_per_s"] / measured["sentences_per_s"] == pytest.approx(
        (sample.num_targets + sample.num_tokens) / 16
    )


def test_going_on_after_the_end_does_nothing(toy) -> None:
    """The limit is reached before the first step."""
    toy.trainer().run()
    again = toy.trainer()
    again.restore()
    before = weights(again)
    again.run()

    assert "trainer.max_epochs=3 reached" == again.stop_reason
    assert all(torch.equal(before[name], tensor) for name, tensor in again.model.state_dict().items())


@pytest.mark.parametrize("computes", [False, True])
def test_a_checkpoint_of_another_model_is_refused(toy, computes: bool) -> None:
    """The message says which weights do not fit: before there is memory for them, where the model can be built so."""
    toy.trainer(trainer={"max_steps": 5}).run()
    devices = []

    def wider(config: object, *, spec: Any) -> nn.Module:
        model = toy_model(config, spec=spec)
        model.output = nn.Linear(8, spec.vocab_size + 1)
        devices.append(model.output.weight.device.type)
        if computes:
            model.output.weight.sum().item()
        return model

    toy_model = toy.registry.parts["model", "toy"]
    toy.registry.parts["model", "toy"] = wider
    with pytest.raises(CheckpointError, match=r"output\.weight is \(24, 8\) there and \(25, 8\) here"):
        toy.trainer().restore()

    assert devices == (["meta", "cpu"] if computes else ["meta"])


def test_changed_data_are_noticed(toy) -> None:
    """A position in the order of other data would mean nothing."""
    toy.trainer(trainer={"max_steps": 5}).run()
    trainer = toy.trainer()
    trainer.train_data.dataset.fingerprint = "other"

    with pytest.raises(DataError, match=r"not what it was.*--fresh"):
        trainer.restore()


def test_a_best_metric_that_is_not_measured_loses_no_step(toy) -> None:
    """The names there are are listed; the run goes on with one of them."""
    with pytest.raises(ConfigError, match=r"best_metric=bleu .*: loss, accuracy\."):
        toy.trainer(trainer={"best_metric": "bleu"}).run()
    trainer = toy.trainer(trainer={"best_metric": "accuracy"})

    assert trainer.restore()
    assert 11 == trainer.progress.step


def test_a_torn_line_of_metrics_is_dropped(toy) -> None:
    """What a kill left half-written does not come before the lines that follow."""
    toy.trainer(trainer={"max_steps": 5}).run()
    path = toy.folder / "run/metrics.jsonl"
    with path.open("a") as file:
        file.write('{"step": 7, "ep')
    trainer = toy.trainer()
    trainer.restore()

    assert [4, 5] == sorted({line["step"] for line in lines(path)})


def test_former_names_still_work_and_say_the_new_ones(toy) -> None:
    """With a warning at the line that uses them."""
    trainer = toy.trainer()
    with pytest.warns(FutureWarning, match="request_checkpoint") as told:
        trainer.save_soon()
    assert __file__ == told[0].filename
    with pytest.warns(FutureWarning, match="skipped_steps"):
        assert trainer.progress.left_out is trainer.progress.skipped_steps
    trainer.progress.cursor = 3
    with pytest.warns(FutureWarning, match="restart_epoch"):
        trainer.progress.start_epoch_anew()
    assert 0 == trainer.progress.cursor
