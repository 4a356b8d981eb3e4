"""The hooks of a run: in which order they are called, and what becomes of the run when one fails."""

from __future__ import annotations

import errno
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from seqtrain.config.option import Selection
from seqtrain.errors import DataError, PluginError
from seqtrain.plugin import hookimpl
from seqtrain.training.cadence import Every

HOOKS = ("run_start", "epoch_start", "step_end", "validation_end", "checkpoint_saved", "epoch_end", "run_end")


def watcher(seen: list[str], name: str, failing: str = "", error: Exception | None = None) -> Callable[..., Any]:
    """Return a component that notes `name hook` for some hooks, and raises in one of them."""

    def note(hook: str) -> Any:
        def call(self: object) -> None:
            seen.append(f"{name} {hook}")
            if hook == failing:
                raise error or ValueError("out of order")

        return hookimpl(specname=f"seqtrain_{hook}")(call)

    methods = {f"seqtrain_{hook}": note(hook) for hook in (*HOOKS, "metrics", "run_exception")}
    return lambda config, **supplied: type("Watcher", (), methods)()


def test_the_order_of_a_configuration_does_not_matter(toy) -> None:
    """Hooks are called in the order of the components, and trackers come last."""
    seen: list[str] = []
    toy.registry.parts |= {("tracker", "a"): watcher(seen, "a")}
    toy.registry.parts |= {("callback", name): watcher(seen, name) for name in ("c", "b", "d")}
    settings = toy.config().task.config
    orders = []

    for number, order in enumerate(permutations("bcd")):
        seen.clear()
        callbacks = tuple(Selection("callback", name, settings) for name in order)
        trackers = (Selection("tracker", "a", settings),)
        toy.trainer(f"run-{number}", callbacks=callbacks, trackers=trackers, trainer={"max_steps": 1}).run()
        orders.append([each for each in seen if each.endswith("step_end")])

    assert orders == [["c step_end", "b step_end", "d step_end", "a step_end"]] * 6


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(("error", "arrives"), [(ValueError("no"), PluginError), (DataError("no"), DataError)])
@pytest.mark.fault("F27")
def test_a_failing_callback_ends_the_run_and_all_are_told(toy, hook, error, arrives) -> None:
    """Whenever it fails; an error of ours keeps its kind."""
    seen: list[str] = []
    names = ("first", "bad", "last")
    for name in names:
        toy.registry.parts["callback", name] = watcher(seen, name, hook if name == "bad" else "", error)
    settings = toy.config().task.config

    with pytest.raises(arrives, match="no") as caught:
        toy.trainer(
            callbacks=tuple(Selection("callback", name, settings) for name in names),
            trainer={"max_epochs": 1},
            checkpoint={"save": Every(epochs=1)},
        ).run()

    told = [each for each in seen if each.endswith("run_exception")]
    assert told == ["first run_exception", "bad run_exception", "last run_exception"]
    assert arrives is DataError or "callbacks.bad of plugin 'toy'" in str(caught.value)
    assert f"last {hook}" not in seen


@pytest.mark.parametrize("hook", ["run_start", "step_end", "metrics", "run_end"])
@pytest.mark.fault("F26")
def test_a_failing_tracker_ends_nothing(toy, hook) -> None:
    """The run ends with the weights and the metrics it would have had without it."""
    seen: list[str] = []
    toy.registry.parts["tracker", "bad"] = watcher(seen, "bad", hook)
    toy.registry.parts["tracker", "good"] = watcher(seen, "good")
    settings = toy.config().task.config
    trackers = tuple(Selection("tracker", name, settings) for name in ("bad", "good"))
    trainer = toy.trainer(trackers=trackers, trainer={"max_steps": 6}, logging={"every": Every(steps=1)})

    trainer.run()

    failed = [each for each in seen if each == f"bad {hook}"]
    assert trainer.progress.step == 6
    assert seen[-1] == "good run_end"
    assert len(failed) == min(3, seen.count(f"good {hook}"))
    assert seen.count("good step_end") == 6


@pytest.mark.fault("F33")
def test_a_tracker_is_not_dropped_for_a_full_disk(toy, caplog) -> None:
    """It may pass; told once."""
    seen: list[str] = []
    toy.registry.parts["tracker", "bad"] = watcher(seen, "bad", "metrics", OSError(errno.ENOSPC, "No space left"))
    trackers = (Selection("tracker", "bad", toy.config().task.config),)

    toy.trainer(trackers=trackers, trainer={"max_steps": 6}, logging={"every": Every(steps=1)}).run()

    told = [each.getMessage() for each in caplog.records if "No space left" in each.getMessage()]
    assert seen.count("bad metrics") >= 6
    assert len(told) == 1
    assert "trackers.bad of plugin 'toy'" in told[0]
