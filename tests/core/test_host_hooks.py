from __future__ import annotations

import logging

import pytest

from seqtrain.errors import ConfigError, PluginError
from seqtrain.host.hooks import RunHooks
from seqtrain.plugin import hookimpl


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

    with pytest.raises(PluginError, match=r"callbacks.ema.*seqtrain_step_end.*\{'loss'\}"):
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
