from __future__ import annotations

import logging

import pytest

from seqtrain.errors import ConfigError, PluginError
from seqtrain.plugin import Component, hookimpl
from seqtrain.registry.hooks import RunHooks
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
    hooks = RunHooks({name: Watcher(name, seen) for name in "bca"})

    hooks.call("seqtrain_step_end", trainer=1)

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

    hooks = RunHooks({"last": Last("last", seen), "plain": Watcher("plain", seen), "first": First("first", seen)})
    hooks.call("seqtrain_step_end", trainer=1)

    assert seen == ["first", ("plain", 1), "last"]


def test_an_implementation_gets_the_arguments_it_names():
    """So that a hook may gain arguments without breaking anybody."""
    seen: list[object] = []

    class Measures:
        @hookimpl
        def seqtrain_validation_end(self, measures):
            seen.append(measures)

    hooks = RunHooks({"a": Measures(), "b": object()})
    hooks.call("seqtrain_validation_end", trainer=None, measures={"loss": 1.0})

    assert seen == [{"loss": 1.0}]


def test_a_hook_nobody_implements_does_nothing():
    """An empty run has all hooks."""
    RunHooks({}).call("seqtrain_epoch_end", trainer=None)


def test_a_misspelled_hook_is_refused():
    """pluggy would never call it, and never say so."""

    class Typo:
        @hookimpl
        def seqtrain_step_ended(self):
            pass

    with pytest.raises(
        PluginError, match=r"callbacks.ema implements 'seqtrain_step_ended'.*Did you mean 'seqtrain_step_end'"
    ):
        RunHooks({"callbacks.ema": Typo()})


def test_an_argument_the_hook_lacks_is_refused():
    """When the run is put together, not hours later."""

    class Wants:
        @hookimpl
        def seqtrain_step_end(self, trainer, loss):
            pass

    with pytest.raises(
        PluginError, match=r"implements seqtrain_step_end with the argument 'loss'.*It may take: trainer"
    ):
        RunHooks({"callbacks.ema": Wants()})


@pytest.mark.parametrize("option", ["wrapper", "hookwrapper"])
def test_wrappers_are_refused(option):
    """Hooks are a tuple of functions; nothing nests."""

    class Wraps:
        @hookimpl(**{option: True})
        def seqtrain_step_end(self):
            yield

    with pytest.raises(PluginError, match=r"callbacks.ema implements seqtrain_step_end as a wrapper"):
        RunHooks({"callbacks.ema": Wraps()})


def test_a_failing_hook_is_named():
    """A bare error from somebody's callback would not say whose it is."""
    error = ZeroDivisionError("by zero")

    with pytest.raises(
        PluginError, match=r"callbacks.ema failed in seqtrain_step_end: ZeroDivisionError: by zero"
    ) as caught:
        RunHooks({"callbacks.ema": failing(error)}).call("seqtrain_step_end", trainer=None)

    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [ConfigError("patience is 0"), KeyboardInterrupt()])
def test_our_own_errors_and_interrupts_pass_as_they_are(error):
    """They say already what is wrong."""
    with pytest.raises(type(error)) as caught:
        RunHooks({"callbacks.ema": failing(error)}).call("seqtrain_step_end", trainer=None)

    assert caught.value is error


def test_a_failure_while_watching_a_failure_is_logged(caplog):
    """The error that ended the run must come through, and the others must still be told."""
    seen: list[object] = []

    class Closes:
        @hookimpl
        def seqtrain_run_exception(self, error):
            seen.append(error)

    hooks = RunHooks({"trackers.bad": failing(RuntimeError("again")), "trackers.good": Closes()})
    with caplog.at_level(logging.WARNING):
        hooks.call("seqtrain_run_exception", trainer=None, error="the first")

    assert seen == ["the first"]
    assert "trackers.bad failed in seqtrain_run_exception" in caplog.text


def test_arguments_may_be_keywords_only_and_may_have_defaults():
    """What a hook may gain later can be named by a plugin for both versions of core."""
    seen: list[object] = []

    class Measures:
        @hookimpl
        def seqtrain_validation_end(self, *, measures, later=3):
            seen.append((measures, later))

    RunHooks({"a": Measures()}).call("seqtrain_validation_end", trainer=None, measures={"loss": 1.0})

    assert seen == [({"loss": 1.0}, 3)]


def test_an_object_that_cannot_be_looked_at_is_refused():
    """Such as one whose attributes cannot even be listed."""

    class Hides:
        def __dir__(self):
            raise RuntimeError("go away")

    with pytest.raises(PluginError, match=r"callbacks.x cannot be searched for hooks: RuntimeError: go away"):
        RunHooks({"callbacks.x": Hides()})


@pytest.mark.fault("F27")
def test_a_failing_hook_names_plugin_distribution_and_version():
    """As far as the instance is made from a component."""
    hooks = RunHooks({"callbacks.watch": failing(ZeroDivisionError("by zero"))}, {"callbacks.watch": owner("callback")})

    with pytest.raises(PluginError) as caught:
        hooks.call("seqtrain_step_end", trainer=None)

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
        RunHooks({"trackers.watch": Typo()}, TRACKER)


@pytest.mark.fault("F27")
def test_a_hook_that_exits_fails_the_run():
    """`sys.exit()` in a plugin must not end the process as if all were well."""
    with pytest.raises(PluginError, match=r"callbacks.ema failed in seqtrain_step_end: SystemExit: 0"):
        RunHooks({"callbacks.ema": failing(SystemExit(0))}).call("seqtrain_step_end", trainer=None)


def test_a_tracker_is_dropped_after_three_errors_with_one_warning(caplog):
    """In whichever hooks they were; none of its hooks is called afterwards, and those of others are."""
    seen: list[object] = []
    tracker = FailingTracker()
    hooks = RunHooks({"trackers.watch": tracker, "callbacks.good": Watcher("good", seen)}, TRACKER)

    with caplog.at_level(logging.INFO):
        hooks.call("seqtrain_run_start", trainer=None)
        for step in range(4):
            hooks.call("seqtrain_metrics", step=step, metrics={})
        hooks.call("seqtrain_step_end", trainer=1)
        hooks.call("seqtrain_run_end", trainer=None)

    (warning,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert tracker.calls == ["run_start", "metrics 0", "metrics 1"]
    assert seen == [("good", 1)]
    assert warning.getMessage() == (
        "trackers.watch of plugin 'acme' (zoo-acme 1.0) failed in seqtrain_metrics: OSError: no network. "
        "It has failed 3 times and is called no more; the run goes on without it."
    )
    assert warning.exc_info is None
    assert [each.levelno for each in caplog.records] == [logging.INFO, logging.INFO, logging.WARNING]


def test_the_traceback_of_a_tracker_is_logged_for_those_who_look(caplog):
    """At the level debug."""
    hooks = RunHooks({"trackers.watch": FailingTracker()}, TRACKER)

    with caplog.at_level(logging.DEBUG):
        for step in range(3):
            hooks.call("seqtrain_metrics", step=step, metrics={})

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
        RunHooks({"trackers.watch": Refuses()}, TRACKER).call(hook, trainer=None, config=None)
