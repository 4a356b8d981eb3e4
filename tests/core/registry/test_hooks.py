from __future__ import annotations

import logging

import pytest

from seqtrain.errors import ConfigError, PluginError
from seqtrain.plugin import Component, hookimpl
from seqtrain.registry.hooks import run_hooks
from seqtrain.registry.installed import Plugin
from seqtrain.registry.registry import RegisteredComponent


class Watcher:
    """Notes what it is called with."""

    def __init__(self, name: str, seen: list[object]) -> None:
        self.name, self.seen = name, seen

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Watcher)  # all alike, as config-like callbacks may be

    __hash__ = None  # type: ignore[assignment]

    @hookimpl
    def seqtrain_step_end(self, trainer):
        self.seen.append((self.name, trainer))


def failing(error: BaseException):
    class Fails:
        @hookimpl
        def seqtrain_step_end(self):
            raise error

        @hookimpl
        def seqtrain_run_exception(self):
            raise error

    return Fails()


def owner(kind: str) -> RegisteredComponent:
    component = Component(kind=kind, name="watch", ref="zoo_code:Watch")
    return RegisteredComponent(component, Plugin(id="acme", distribution="zoo-acme", version="1.0"))


TRACKER = {"trackers.watch": owner("tracker")}


class FailingTracker:
    """Fails in every hook, and counts."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    @hookimpl
    def seqtrain_run_start(self):
        self.calls.append("run_start")
        raise OSError("no server")

    @hookimpl
    def seqtrain_metrics(self, step):
        self.calls.append(f"metrics {step}")
        raise OSError("no network")

    @hookimpl
    def seqtrain_run_end(self):
        self.calls.append("run_end")


def test_hooks_are_called_in_the_order_given():
    """The same on every rank, since hooks may talk to other ranks."""
    seen: list[object] = []
    hooks = run_hooks({name: Watcher(name, seen) for name in "bca"}).hook

    hooks.seqtrain_step_end(trainer=1)

    assert seen == [("b", 1), ("c", 1), ("a", 1)]


def test_first_and_last_are_honoured():
    """As pluggy has it, but otherwise in the order given."""
    seen: list[object] = []

    class First(Watcher):
        @hookimpl(tryfirst=True)
        def seqtrain_step_end(self):
            self.seen.append(self.name)

    class Last(Watcher):
        @hookimpl(trylast=True)
        def seqtrain_step_end(self):
            self.seen.append(self.name)

    hooks = run_hooks({"last": Last("last", seen), "plain": Watcher("plain", seen), "first": First("first", seen)}).hook
    hooks.seqtrain_step_end(trainer=1)

    assert seen == ["first", ("plain", 1), "last"]


def test_an_implementation_gets_the_arguments_it_names():
    """So that a hook may gain arguments without breaking anybody."""
    seen: list[object] = []

    class Measures:
        @hookimpl
        def seqtrain_validation_end(self, measures):
            seen.append(measures)

    hooks = run_hooks({"a": Measures(), "b": object()}).hook
    hooks.seqtrain_validation_end(trainer=None, measures={"loss": 1.0})

    assert seen == [{"loss": 1.0}]


def test_a_hook_nobody_implements_does_nothing():
    """An empty run has all hooks."""
    run_hooks({}).hook.seqtrain_epoch_end(trainer=None)


def test_a_misspelled_hook_is_refused():
    """pluggy would never call it, and never say so."""

    class Typo:
        @hookimpl
        def seqtrain_step_ended(self):
            pass

    with pytest.raises(
        PluginError, match=r"callbacks.ema implements 'seqtrain_step_ended'.*Did you mean 'seqtrain_step_end'"
    ):
        run_hooks({"callbacks.ema": Typo()})


def test_an_argument_the_hook_lacks_is_refused():
    """When the run is put together, not hours later."""

    class Wants:
        @hookimpl
        def seqtrain_step_end(self, trainer, loss):
            pass

    with pytest.raises(
        PluginError, match=r"implements seqtrain_step_end with the argument 'loss'.*It may take: trainer"
    ):
        run_hooks({"callbacks.ema": Wants()})


@pytest.mark.parametrize("option", ["wrapper", "hookwrapper"])
def test_wrappers_stand_around_the_others(option):
    """As in every project that uses pluggy: the first in the order is the outermost."""
    seen: list[object] = []

    class Wraps(Watcher):
        @hookimpl(**{option: True})
        def seqtrain_step_end(self, trainer):
            self.seen.append(f"before {self.name} {trainer}")
            yield
            self.seen.append(f"after {self.name}")

    hooks = run_hooks(
        {"plain": Watcher("plain", seen), "outer": Wraps("outer", seen), "inner": Wraps("inner", seen)}
    ).hook
    hooks.seqtrain_step_end(trainer=1)

    assert seen == ["before outer 1", "before inner 1", ("plain", 1), "after inner", "after outer"]


@pytest.mark.filterwarnings("ignore::pluggy.PluggyTeardownRaisedWarning")  # of those of the old style
@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("option", ["wrapper", "hookwrapper"])
def test_a_wrapper_that_fails_is_named(option, where):
    """Wherever in it."""

    class Wraps:
        @hookimpl(**{option: True})
        def seqtrain_step_end(self):
            if where == "before":
                raise ZeroDivisionError("by zero")
            yield
            raise ZeroDivisionError("by zero")

    with pytest.raises(PluginError, match=r"callbacks.watch failed in seqtrain_step_end: ZeroDivisionError: by zero"):
        run_hooks({"callbacks.watch": Wraps()}).hook.seqtrain_step_end(trainer=None)


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_tracker_that_fails_as_a_wrapper_costs_nobody_the_run(where):
    """What it wraps is called, and wrappers around it see that."""
    seen: list[object] = []

    class Wraps:
        @hookimpl(wrapper=True)
        def seqtrain_step_end(self):
            if where == "before":
                raise OSError("no server")
            yield
            raise OSError("no server")

    hooks = run_hooks({"trackers.watch": Wraps(), "callbacks.good": Watcher("good", seen)}, TRACKER).hook
    for step in range(5):
        hooks.seqtrain_step_end(trainer=step)

    assert seen == [("good", step) for step in range(5)]


def test_a_wrapper_sees_and_passes_on_what_failed_inside_it():
    """Under the name of the one that failed."""
    seen: list[object] = []

    class Wraps:
        @hookimpl(wrapper=True)
        def seqtrain_step_end(self):
            try:
                yield
            finally:
                seen.append("cleaned up")

    hooks = run_hooks({"callbacks.around": Wraps(), "callbacks.bad": failing(ZeroDivisionError("by zero"))}).hook
    with pytest.raises(PluginError, match=r"callbacks.bad failed in seqtrain_step_end: ZeroDivisionError: by zero"):
        hooks.seqtrain_step_end(trainer=None)

    assert seen == ["cleaned up"]


def test_a_wrapper_without_a_yield_is_refused():
    """When the run is put together."""

    class Wraps:
        @hookimpl(wrapper=True)
        def seqtrain_step_end(self):
            pass

    with pytest.raises(
        PluginError, match=r"callbacks.watch implements seqtrain_step_end as a wrapper without a `yield`"
    ):
        run_hooks({"callbacks.watch": Wraps()})


def test_an_instance_may_implement_a_hook_twice():
    """By `specname`; both are called."""
    seen: list[object] = []

    class Twice:
        @hookimpl(specname="seqtrain_step_end")
        def log(self):
            seen.append("log")

        @hookimpl(specname="seqtrain_step_end")
        def save(self):
            seen.append("save")

    run_hooks({"callbacks.twice": Twice()}).hook.seqtrain_step_end(trainer=None)

    assert sorted(seen) == ["log", "save"]


def test_the_manager_knows_its_plugins_by_name():
    """As pluggy lists them; what is registered stands for the instance."""
    parts = {"callbacks.a": Watcher("a", []), "trackers.b": Watcher("b", [])}
    listed = dict(run_hooks(parts).list_name_plugin())

    assert {"callbacks.a", "trackers.b"} == set(listed)
    assert all(listed[name].instance is part for name, part in parts.items())


def test_a_failing_hook_is_named():
    """A bare error from somebody's callback would not say whose it is."""
    error = ZeroDivisionError("by zero")

    with pytest.raises(
        PluginError, match=r"callbacks.ema failed in seqtrain_step_end: ZeroDivisionError: by zero"
    ) as caught:
        run_hooks({"callbacks.ema": failing(error)}).hook.seqtrain_step_end(trainer=None)

    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [ConfigError("patience is 0"), KeyboardInterrupt()])
def test_our_own_errors_and_interrupts_pass_as_they_are(error):
    """They say already what is wrong."""
    with pytest.raises(type(error)) as caught:
        run_hooks({"callbacks.ema": failing(error)}).hook.seqtrain_step_end(trainer=None)

    assert caught.value is error


def test_a_failure_while_watching_a_failure_is_logged(caplog):
    """The error that ended the run must come through, and the others must still be told."""
    seen: list[object] = []

    class Closes:
        @hookimpl
        def seqtrain_run_exception(self, error):
            seen.append(error)

    hooks = run_hooks({"trackers.bad": failing(RuntimeError("again")), "trackers.good": Closes()}).hook
    with caplog.at_level(logging.WARNING):
        hooks.seqtrain_run_exception(trainer=None, error="the first")

    assert seen == ["the first"]
    assert "trackers.bad failed in seqtrain_run_exception" in caplog.text


def test_arguments_may_be_keywords_only_and_may_have_defaults():
    """What a hook may gain later can be named by a plugin for both versions of core."""
    seen: list[object] = []

    class Measures:
        @hookimpl
        def seqtrain_validation_end(self, *, measures, later=3):
            seen.append((measures, later))

    run_hooks({"a": Measures()}).hook.seqtrain_validation_end(trainer=None, measures={"loss": 1.0})

    assert seen == [({"loss": 1.0}, 3)]


def test_an_object_that_cannot_be_looked_at_is_refused():
    """Such as one whose attributes cannot even be listed."""

    class Hides:
        def __dir__(self):
            raise RuntimeError("go away")

    with pytest.raises(PluginError, match=r"callbacks.x cannot be searched for hooks: RuntimeError: go away"):
        run_hooks({"callbacks.x": Hides()})


@pytest.mark.fault("F27")
def test_a_failing_hook_names_plugin_distribution_and_version():
    """As far as the instance is made from a component."""
    hooks = run_hooks(
        {"callbacks.watch": failing(ZeroDivisionError("by zero"))}, {"callbacks.watch": owner("callback")}
    ).hook

    with pytest.raises(PluginError) as caught:
        hooks.seqtrain_step_end(trainer=None)

    assert str(caught.value).startswith(
        "callbacks.watch of plugin 'acme' (zoo-acme 1.0) failed in seqtrain_step_end: ZeroDivisionError: by zero."
    )


@pytest.mark.fault("F27")
def test_a_hook_that_cannot_be_called_names_plugin_distribution_and_version():
    """At once, when the run is put together."""

    class Typo:
        @hookimpl
        def seqtrain_step_ended(self):
            pass

    with pytest.raises(PluginError, match=r"trackers.watch of plugin 'acme' \(zoo-acme 1.0\) implements"):
        run_hooks({"trackers.watch": Typo()}, TRACKER)


@pytest.mark.fault("F27")
def test_a_hook_that_exits_fails_the_run():
    """`sys.exit()` in a plugin must not end the process as if all were well."""
    with pytest.raises(PluginError, match=r"callbacks.ema failed in seqtrain_step_end: SystemExit: 0"):
        run_hooks({"callbacks.ema": failing(SystemExit(0))}).hook.seqtrain_step_end(trainer=None)


def test_a_tracker_is_dropped_after_three_errors_with_one_warning(caplog):
    """In whichever hooks they were; none of its hooks is called afterwards, and those of others are."""
    seen: list[object] = []
    tracker = FailingTracker()
    hooks = run_hooks({"trackers.watch": tracker, "callbacks.good": Watcher("good", seen)}, TRACKER).hook

    with caplog.at_level(logging.INFO):
        hooks.seqtrain_run_start(trainer=None)
        for step in range(4):
            hooks.seqtrain_metrics(step=step, metrics={})
        hooks.seqtrain_step_end(trainer=1)
        hooks.seqtrain_run_end(trainer=None)

    (warning,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert tracker.calls == ["run_start", "metrics 0", "metrics 1"]
    assert seen == [("good", 1)]
    assert warning.getMessage() == (
        "trackers.watch of plugin 'acme' (zoo-acme 1.0) failed in seqtrain_metrics: OSError: no network. "
        "It has failed 3 times and is no longer called; the run goes on without it."
    )
    assert warning.exc_info is None
    assert [each.levelno for each in caplog.records] == [logging.INFO, logging.INFO, logging.WARNING]


def test_the_traceback_of_a_tracker_is_logged_for_those_who_look(caplog):
    """At the level debug."""
    hooks = run_hooks({"trackers.watch": FailingTracker()}, TRACKER).hook

    with caplog.at_level(logging.DEBUG):
        for step in range(3):
            hooks.seqtrain_metrics(step=step, metrics={})

    assert "raise OSError" in caplog.text


@pytest.mark.parametrize(
    ("hook", "error", "arrives"),
    [
        ("seqtrain_configure", RuntimeError("no"), PluginError),
        ("seqtrain_configure", ConfigError("no"), ConfigError),
        ("seqtrain_run_start", ConfigError("no"), ConfigError),
        ("seqtrain_run_start", KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_tracker_may_refuse_a_run(hook, error, arrives):
    """Before anything is built whatever it raises counts, and later an error of ours, raised on purpose."""

    class Refuses:
        @hookimpl
        def seqtrain_configure(self):
            raise error

        @hookimpl
        def seqtrain_run_start(self):
            raise error

    with pytest.raises(arrives):
        getattr(run_hooks({"trackers.watch": Refuses()}, TRACKER).hook, hook)(trainer=None, config=None)
