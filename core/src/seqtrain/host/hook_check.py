"""What an object implements of the hooks in `seqtrain.plugin`, checked by pluggy."""

from __future__ import annotations

from pluggy import HookImpl, PluginManager, PluginValidationError

import seqtrain.plugin
from seqtrain.errors import PluginError
from seqtrain.host.suggestion import did_you_mean
from seqtrain.plugin import PROJECT


def hook_names() -> list[str]:
    """Return the names of all hooks."""
    manager = PluginManager(PROJECT)
    manager.add_hookspecs(seqtrain.plugin)
    return sorted(vars(manager.hook))


def read_hooks(owner: object, name: str) -> list[tuple[str, HookImpl]]:
    """
    Return what an object implements, as (hook, implementation), checked against `seqtrain.plugin`.

    Args:
        owner: a plugin's module, or an instance with methods marked `@hookimpl`.
        name: what to call it in an error.

    Raises:
        PluginError: a hook is unknown (pluggy alone would never call it and never say so), it names an argument that
            the hook does not have, or it is a wrapper.
    """
    manager = PluginManager(PROJECT)
    manager.add_hookspecs(seqtrain.plugin)
    specified = set(vars(manager.hook))
    try:
        manager.register(owner, name=name)
        manager.check_pending()
    except PluginValidationError as error:
        unknown = sorted(set(vars(manager.hook)) - specified)
        if not unknown:
            raise PluginError(" ".join(str(error).split())) from error
        raise PluginError(
            f"{name} implements {unknown[0]!r}, and there is no such hook.{did_you_mean(unknown[0], specified)} "
            "It is misspelled, or needs a newer seqtrain."
        ) from error
    found = [(hook, each) for hook in sorted(specified) for each in vars(manager.hook)[hook].get_hookimpls()]
    for hook, implementation in found:
        if implementation.wrapper or implementation.hookwrapper:
            raise PluginError(
                f"{name} implements {hook} as a wrapper; hooks are called one after the other, not nested"
            )
    return found
