"""What an object implements of the hooks in `seqtrain.plugin`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from inspect import Parameter, signature
from typing import Any

from pluggy import HookImpl, PluginManager

import seqtrain.plugin
from seqtrain.errors import PluginError, did_you_mean
from seqtrain.plugin import PROJECT


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
