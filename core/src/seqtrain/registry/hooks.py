"""The hooks of a run: checked once, then called as plain functions."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from inspect import Parameter, signature
from typing import Any

from pluggy import HookImpl, PluginManager

import seqtrain.plugin
from seqtrain.errors import PluginError, SeqtrainError, did_you_mean
from seqtrain.plugin import PROJECT
from seqtrain.registry.component import RegisteredComponent

logger = logging.getLogger(__name__)

# What watches a failure must not hide it: an error in this one is logged, and the next implementation is called.
_RUN_EXCEPTION = "seqtrain_run_exception"
# Nothing has begun yet when this one is called, so a tracker that fails in it fails the run like any other part.
_CONFIGURE = "seqtrain_configure"
_ERRORS_OF_A_TRACKER = 3


@dataclass(frozen=True)
class _Call:
    """One implementation, with the instance it is of."""

    name: str
    owner: RegisteredComponent | None
    implementation: Implementation

    @property
    def of_tracker(self) -> bool:
        return self.owner is not None and self.owner.component.kind == "tracker"

    def __str__(self) -> str:
        return self.name if self.owner is None else f"{self.name} of {self.owner.plugin}"


class RunHooks:
    """
    The hooks of one run, called on its instances in the order they are given.

    A step's hooks are called once per step: a tuple of bound methods costs a tenth of pluggy's own dispatch.

    A tracker must not cost anybody a run: one that has failed three times is called no more.

    Args:
        instances: trackers, callbacks and other parts by the name they have in checkpoints and errors. `tryfirst` and
            `trylast` are honoured; otherwise the order is that of the mapping, so it is equal on all ranks.
        owners: the component each was made from, by the same names; one that is missing is core's own.

    Raises:
        PluginError: an instance implements a hook that cannot be called; see `read_hooks`.
    """

    def __init__(
        self, instances: Mapping[str, object], owners: Mapping[str, RegisteredComponent] | None = None
    ) -> None:
        owners = owners or {}
        calls = []
        for name, instance in instances.items():
            owner = owners.get(name)
            described = name if owner is None else f"{name} of {owner.plugin}"
            calls += [_Call(name, owner, each) for each in read_hooks(instance, described)]
        calls.sort(key=lambda each: each.implementation.place)  # stable
        self._calls = {
            hook: tuple(each for each in calls if each.implementation.hook == hook) for hook in specified_hooks()
        }
        self._errors: Counter[str] = Counter()  # of trackers, by name

    def call(self, hook: str, /, **arguments: Any) -> None:
        """
        Call every implementation of a hook with those of the arguments that it names.

        Raises:
            SeqtrainError: an implementation failed; other errors than ours arrive as a `PluginError` that names it.
        """
        for each in self._calls[hook]:
            try:
                each.implementation.function(**{name: arguments[name] for name in each.implementation.arguments})
            except (Exception, SystemExit) as error:
                if hook == _RUN_EXCEPTION:
                    logger.warning("%s failed in %s", each, hook, exc_info=error)
                elif isinstance(error, SeqtrainError):
                    logger.info("%s ends the run in %s", each, hook)
                    raise
                elif each.of_tracker and hook != _CONFIGURE:
                    self._tolerate(each, hook, error)
                else:
                    raise PluginError(
                        f"{each} failed in {hook}: {type(error).__name__}: {error}. "
                        "Leave it out of the configuration, or run with -v to see where it happened."
                    ) from error

    def _tolerate(self, call: _Call, hook: str, error: BaseException) -> None:
        """Count a tracker's error; at the third, drop the tracker."""
        self._errors[call.name] += 1
        said = f"{call} failed in {hook}: {type(error).__name__}: {error}"
        if self._errors[call.name] < _ERRORS_OF_A_TRACKER:
            logger.info("%s", said)
            return
        logger.warning(
            "%s. It has failed %d times and is called no more; the run goes on without it.",
            said,
            _ERRORS_OF_A_TRACKER,
            exc_info=error if logger.isEnabledFor(logging.DEBUG) else None,
        )
        self._calls = {
            hook: tuple(each for each in calls if each.name != call.name) for hook, calls in self._calls.items()
        }


@dataclass(frozen=True)
class Implementation:
    """
    A hook as an object implements it.

    Args:
        hook: its name.
        function: what to call.
        arguments: those of the hook's arguments that it takes.
        place: -1 for one that comes before the others (`tryfirst`), 1 for one that comes after them, else 0.
    """

    hook: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    place: int


@cache
def specified_hooks() -> Mapping[str, tuple[str, ...]]:
    """Return the arguments of every hook, by its name."""
    manager = PluginManager(PROJECT)
    manager.add_hookspecs(seqtrain.plugin)
    specs = {name: caller.spec for name, caller in sorted(vars(manager.hook).items())}
    return {name: tuple(spec.argnames) for name, spec in specs.items() if spec is not None}


def read_hooks(owner: object, name: str) -> list[Implementation]:
    """
    Return what an object implements, by the name of the hook, checked against `seqtrain.plugin`.

    Args:
        owner: a plugin's module, or an instance with methods marked `@hookimpl`.
        name: what to call it in an error.

    Raises:
        PluginError: a hook is unknown (pluggy alone would never call it and never say so), it names an argument that
            the hook does not have, or it is a wrapper.
    """
    manager = PluginManager(PROJECT)  # without specifications: checking is done here, in our words
    try:
        manager.register(owner, name=name)
    except Exception as error:  # whatever looking at the attributes of a stranger's object may raise
        raise PluginError(
            f"{name} cannot be searched for hooks: {type(error).__name__}: {error}. Is there a property that fails?"
        ) from error
    found = [
        _check(hook, each, name)
        for hook, caller in sorted(vars(manager.hook).items())
        for each in caller.get_hookimpls()
    ]
    return [each for each in found if each is not None]


def _check(hook: str, implementation: HookImpl, name: str) -> Implementation | None:
    hooks = specified_hooks()
    if hook not in hooks:
        if implementation.optionalhook:  # how an author supports two versions of core
            return None
        raise PluginError(
            f"{name} implements {hook!r}, and there is no such hook.{did_you_mean(hook, hooks)} "
            "It is misspelled, or needs a newer seqtrain"
        )
    if implementation.wrapper or implementation.hookwrapper:
        raise PluginError(f"{name} implements {hook} as a wrapper; hooks are called one after the other, not nested")
    parameters = signature(implementation.function).parameters.values()
    named = [each for each in parameters if each.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)]
    for each in named:
        if each.name not in hooks[hook] and each.default is Parameter.empty:
            may_take = ", ".join(hooks[hook]) or "none"
            raise PluginError(
                f"{name} implements {hook} with the argument {each.name!r}, which that hook does not have."
                f"{did_you_mean(each.name, hooks[hook])} It may take: {may_take}"
            )
    arguments = tuple(each.name for each in named if each.name in hooks[hook])
    return Implementation(hook, implementation.function, arguments, implementation.trylast - implementation.tryfirst)


class _Relay:
    def __init__(self, hooks: RunHooks) -> None:
        self.hooks = hooks

    def __getattr__(self, name: str) -> Any:
        from functools import partial

        return partial(self.hooks.call, name)


def run_hooks(instances: Mapping[str, object], owners: Mapping[str, RegisteredComponent] | None = None) -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(hook=_Relay(RunHooks(instances, owners)))
