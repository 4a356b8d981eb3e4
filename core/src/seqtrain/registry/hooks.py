"""
The hooks of a run, dispatched by pluggy.

pluggy decides the order (`tryfirst`, `trylast`, wrappers). What is added at registration: an implementation is checked
against `seqtrain.plugin` with an error in our words, and wrapped by a guard that names whose code has failed, and that
keeps a tracker's failure from ending the run.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import cache, partial, wraps
from inspect import Parameter, isgeneratorfunction, signature
from typing import Any

from pluggy import HookImpl, PluginManager

import seqtrain.plugin
from seqtrain.errors import PluginError, SeqtrainError, did_you_mean
from seqtrain.plugin import PROJECT, hookimpl
from seqtrain.registry.component import RegisteredComponent

logger = logging.getLogger(__name__)

# What watches a failure must not hide it: an error in this one is logged, and the next implementation is called.
_RUN_EXCEPTION = "seqtrain_run_exception"
# Nothing has begun yet when this one is called, so a tracker that fails in it fails the run like any other part.
_CONFIGURE = "seqtrain_configure"
_ERRORS_OF_A_TRACKER = 3
_FULL = (errno.ENOSPC, errno.EDQUOT)


def new_manager() -> PluginManager:
    """Return a manager that knows the hooks of `seqtrain.plugin`."""
    manager = PluginManager(PROJECT)
    manager.add_hookspecs(seqtrain.plugin)
    return manager


def run_hooks(
    instances: Mapping[str, object], owners: Mapping[str, RegisteredComponent] | None = None
) -> PluginManager:
    """
    Return the manager of one run's instances; its `hook` calls them.

    Args:
        instances: trackers, callbacks and other parts by the name they have in checkpoints and errors. Where pluggy
            leaves the order open, it is that of the mapping, so it is equal on all ranks.
        owners: the component each was made from, by the same names; one that is missing is core's own.

    Raises:
        PluginError: an instance implements a hook that cannot be called; see `read_hooks`.
    """
    manager, owners = new_manager(), owners or {}
    for name in reversed([*instances]):  # pluggy calls first what was registered last
        manager.register(HookGuard(manager, instances[name], name, owners.get(name)), name=name)
    return manager


class HookGuard:
    """
    Stands for one instance in the manager; has its hooks, each with a guard around it.

    Instances are not registered themselves: pluggy compares them, and two that are equal are still two.

    Args:
        manager: where this is registered.
        instance: a tracker, a callback or another part.
        name: under which it is registered.
        owner: the component it was made from; None for core's own.
    """

    def __init__(self, manager: PluginManager, instance: object, name: str, owner: RegisteredComponent | None) -> None:
        self.instance = instance
        self._manager = manager
        self._name = name
        self._owner = owner
        self._is_tracker = owner is not None and owner.component.kind == "tracker"
        self._errors = 0
        self._has_told_of_disk = False
        for number, each in enumerate(read_hooks(instance, str(self))):
            setattr(self, f"hook_{number}", self._guarded(each))  # two may be of one hook, by `specname`

    def __str__(self) -> str:
        return self._name if self._owner is None else f"{self._name} of {self._owner.plugin}"

    def _guarded(self, implementation: Implementation) -> Callable[..., Any]:
        """Return what pluggy is to call instead of an implementation, with the same marks."""
        hook, function = implementation.hook, implementation.function
        positions = [(name, specified_hooks()[hook].index(name)) for name in implementation.arguments]

        def plain(*values: Any) -> Any:
            try:
                return function(**{name: values[position] for name, position in positions})
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a stranger's code raises
                self._failed(hook, error)

        def around(*values: Any) -> Generator[None, Any, Any]:
            wrapper: Any = function(**{name: values[position] for name, position in positions})
            try:
                next(wrapper)
            except (Exception, SystemExit) as error:  # noqa: BLE001
                self._failed(hook, error)
                return (yield)
            try:
                result = yield
            except BaseException as failure:  # noqa: BLE001 - of another implementation, for the wrapper to see
                return self._resume(hook, partial(wrapper.throw, failure), failure)
            return self._resume(hook, partial(wrapper.send, result), result)

        options = implementation.options
        guarded: Any = around if options["wrapper"] or options["hookwrapper"] else plain
        # pluggy passes what the wrapped function takes: all of the hook's arguments. Of an implementation it would
        # leave out those with a default, by which an author supports a core that lacks them.
        guarded = wraps(vars(seqtrain.plugin)[hook])(guarded)
        return hookimpl(specname=hook, **options)(guarded)  # type: ignore[no-any-return]

    def _resume(self, hook: str, resume: Callable[[], object], outcome: object) -> Any:
        """Let a wrapper continue after its `yield`, and return what it returns; `outcome` is that of what it wraps."""
        try:
            resume()
        except StopIteration as end:
            return end.value
        except (Exception, SystemExit) as error:
            if error is outcome:
                raise
            self._failed(hook, error)
        else:
            self._failed(hook, RuntimeError("a wrapper has one yield"))
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _failed(self, hook: str, error: BaseException) -> None:
        """
        Decide what an error means for the run.

        Raises:
            SeqtrainError: the run ends; other errors than ours arrive as a `PluginError` that names the component.
        """
        if hook == _RUN_EXCEPTION:
            is_explained = isinstance(error, SeqtrainError)
            logger.warning("%s failed in %s: %s", self, hook, error, exc_info=None if is_explained else error)
        elif isinstance(error, SeqtrainError):
            logger.info("%s ends the run in %s", self, hook)
            raise error
        elif self._is_tracker and hook != _CONFIGURE:
            self._tolerate(hook, error)
        else:
            raise PluginError(
                f"{self} failed in {hook}: {type(error).__name__}: {error}. "
                "Leave it out of the configuration, or run with -v to see where it happened."
            ) from error

    def _tolerate(self, hook: str, error: BaseException) -> None:
        """Count a tracker's error; at the third, drop the tracker. A full disk is no fault of its own, and may pass."""
        said = f"{self} failed in {hook}: {type(error).__name__}: {error}"
        if isinstance(error, OSError) and error.errno in _FULL:
            if not self._has_told_of_disk:
                logger.warning("%s. The run goes on; the tracker is called again.", said)
            self._has_told_of_disk = True
            return
        self._errors += 1
        if self._errors < _ERRORS_OF_A_TRACKER:
            logger.info("%s", said)
            return
        logger.warning(
            "%s. It has failed %d times and is no longer called; the run goes on without it.",
            said,
            _ERRORS_OF_A_TRACKER,
            exc_info=error if logger.isEnabledFor(logging.DEBUG) else None,
        )
        if self._manager.has_plugin(self._name):
            self._manager.unregister(name=self._name)


@cache
def specified_hooks() -> Mapping[str, tuple[str, ...]]:
    """Return the arguments of every hook, by its name."""
    specs = {name: caller.spec for name, caller in sorted(vars(new_manager().hook).items())}
    return {name: tuple(spec.argnames) for name, spec in specs.items() if spec is not None}


@dataclass(frozen=True)
class Implementation:
    """
    A hook as an object implements it.

    Args:
        hook: its name.
        function: what to call.
        arguments: those of the hook's arguments that it takes.
        options: `tryfirst`, `trylast`, `wrapper` and `hookwrapper`, as they were given to `hookimpl`.
    """

    hook: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    options: Mapping[str, Any]


def read_hooks(owner: object, name: str) -> list[Implementation]:
    """
    Return what an object implements, by the name of the hook, checked against `seqtrain.plugin`.

    Args:
        owner: a plugin's module, or an instance with methods marked `@hookimpl`.
        name: what to call it in an error.

    Raises:
        PluginError: a hook is unknown (pluggy alone would never call it and never say so), it names an argument that
            the hook does not have, or it is a wrapper without a `yield`.
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
    if (implementation.wrapper or implementation.hookwrapper) and not isgeneratorfunction(implementation.function):
        raise PluginError(f"{name} implements {hook} as a wrapper without a `yield`; what it wraps is called there")
    parameters = signature(implementation.function).parameters.values()
    named = [each for each in parameters if each.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)]
    for each in named:
        if each.name not in hooks[hook] and each.default is Parameter.empty:
            may_take = ", ".join(hooks[hook]) or "none"
            raise PluginError(
                f"{name} implements {hook} with the argument {each.name!r}, which that hook does not have."
                f"{did_you_mean(each.name, hooks[hook])} It may take: {may_take}"
            )
    options = {
        "tryfirst": implementation.tryfirst,
        "trylast": implementation.trylast,
        "wrapper": implementation.wrapper,
        "hookwrapper": implementation.hookwrapper,
    }
    arguments = tuple(each.name for each in named if each.name in hooks[hook])
    return Implementation(hook, implementation.function, arguments, options)
