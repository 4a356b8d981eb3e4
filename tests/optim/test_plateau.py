"""The scheduler that watches a measure, against torch's."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import ReduceLROnPlateau as TorchPlateau

from seqtrain.errors import ConfigError
from seqtrain.protocols import Stateful
from seqtrain.registry.hooks import run_hooks
from seqtrain.training.progress import Progress
from seqtrain_optim.plateau import ReduceLROnPlateau
from seqtrain_optim.schedule_config import ReduceLROnPlateauConfig


def make(**settings) -> ReduceLROnPlateau:
    return ReduceLROnPlateau(ReduceLROnPlateauConfig(**settings), total_steps=None)


def seen(step: int) -> SimpleNamespace:
    """Return what a scheduler sees of a trainer: of bleu and pearson more is better."""
    return SimpleNamespace(progress=Progress(step=step), higher_is_better=frozenset({"bleu", "pearson"}))


def show(schedule: ReduceLROnPlateau, *values: float, step: int = 100, name: str = "loss") -> list[float]:
    """Let it see measures one after the other; return the factor after each."""
    factors = []
    for value in values:
        schedule.seqtrain_validation_end(seen(step), {name: value})
        factors.append(schedule(step + 1))
    return factors


def test_the_run_finds_its_hook():
    """Called by the run's hooks, it sees the measures."""
    schedule = make()
    hooks = run_hooks({"lr_scheduler": schedule}).hook
    hooks.seqtrain_validation_end(trainer=seen(9), measures={"loss": 2.5})
    assert schedule.best == 2.5


def test_each_validation_that_is_no_better_cuts():
    """With no patience the third and fourth validations halve the learning rate."""
    assert show(make(factor=0.5), 3.0, 2.0, 2.0, 2.5, 1.0) == [1.0, 1.0, 0.5, 0.25, 0.25]


def test_patience_lets_some_pass():
    """With a patience of 2 the third bad validation in a row cuts, and counting starts again."""
    assert show(make(factor=0.5, patience=2), 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]


def test_larger_may_be_better():
    """A BLEU that rises is fine and one that falls cuts, whether the direction is given or left to the task."""
    for mode in ("max", None):
        assert show(make(factor=0.5, mode=mode, metric="bleu"), 10.0, 20.0, 15.0, name="bleu") == [1.0, 1.0, 0.5]


def test_a_measure_may_be_negative():
    """Of a correlation of -0.5 more than -0.45 is better with a threshold of a tenth."""
    schedule = make(factor=0.5, metric="pearson", threshold=0.1)
    assert show(schedule, -0.5, -0.44, -0.42, -0.3, name="pearson") == [1.0, 1.0, 0.5, 0.5]


@pytest.mark.parametrize(("metric", "mode", "better"), [("bleu", "min", "more"), ("loss", "max", "less")])
def test_a_direction_that_contradicts_the_task_is_refused_before_the_first_step(metric, mode, better):
    """The learning rate would be cut because the model improves."""
    with pytest.raises(ConfigError, match=rf"lr_scheduler\.mode={mode} .*{metric} {better} is better\. Leave out"):
        make(metric=metric, mode=mode).seqtrain_run_start(seen(0))


def test_another_measure_is_watched_from_the_beginning():
    """What was seen of the loss says nothing of BLEU; what was cut stays cut."""
    first, second = make(factor=0.5, patience=1), make(factor=0.5, patience=1, metric="bleu")
    show(first, 3.0, 3.0, 3.0, 3.0)
    second.load_state_dict(first.state_dict())
    assert show(second, 1.0, 1.0, 1.0, name="bleu") == [0.5, 0.5, 0.25]


def test_never_below_the_least_factor():
    """Cuts stop at `min_factor`."""
    assert show(make(factor=0.5, min_factor=0.3), 1.0, 1.0, 1.0, 1.0) == [1.0, 0.5, 0.3, 0.3]


def test_not_a_number_is_no_better():
    """NaN counts as a bad validation and never becomes the best."""
    schedule = make(factor=0.5)
    assert show(schedule, math.nan, 1.0, math.nan) == [0.5, 0.5, 0.25]
    assert schedule.best == 1.0


def test_warmup_comes_first_and_is_not_judged():
    """Before step 10 the factor rises in a line and bad measures count for nothing."""
    schedule = make(factor=0.5, warmup_steps=10)
    assert schedule(1) == 0.1
    show(schedule, 1.0, 2.0, 3.0, step=5)
    assert schedule(10) == 1.0
    assert show(schedule, 9.0, 9.0, step=10) == [1.0, 0.5]


def test_an_unknown_measure_is_named_with_those_there_are():
    """The error says what to set and to what."""
    with pytest.raises(ConfigError, match=r"lr_scheduler\.metric: .* 'bleu'; set it to one of loss"):
        show(make(metric="bleu"), 1.0, name="loss")


@settings(deadline=None)
@given(
    values=st.lists(st.floats(0, 10), max_size=30),
    mode=st.sampled_from(["min", "max"]),
    patience=st.integers(0, 4),
    threshold=st.floats(0, 0.5),
)
def test_decides_as_torch_does(values, mode, patience, threshold):
    """
    The same measures lead to the same learning rates as torch's scheduler with a relative threshold.

    They are not negative: torch takes best * (1 + threshold), which is less than a negative best.
    """
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = TorchPlateau(optimizer, mode=mode, factor=0.5, patience=patience, threshold=threshold, min_lr=0.01, eps=0)
    name = "bleu" if mode == "max" else "loss"
    ours = make(metric=name, factor=0.5, patience=patience, threshold=threshold, min_factor=0.01)
    for value in values:
        theirs.step(value)
        assert show(ours, value, name=name) == [optimizer.param_groups[0]["lr"]]


@settings(deadline=None)
@given(values=st.lists(st.floats(0, 10), min_size=2, max_size=20), data=st.data())
def test_state_survives_json(values, data):
    """Stopped anywhere and loaded into a fresh one, it decides as if nothing had happened."""
    cut = data.draw(st.integers(0, len(values)))
    whole = show(make(factor=0.5, patience=1), *values)
    first, second = make(factor=0.5, patience=1), make(factor=0.5, patience=1)
    assert isinstance(first, Stateful)
    before = show(first, *values[:cut])
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert before + show(second, *values[cut:]) == whole
