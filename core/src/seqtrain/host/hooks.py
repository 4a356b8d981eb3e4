"""The hooks of a run: checked once, then called as plain functions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seqtrain.errors import PluginError, SeqtrainError
from seqtrain.host.hook_check import hook_names, read_hooks

logger = logging.getLogger(__name__)

# What watches a failure must not hide it: an error in one of these is logged, and the next one is called.
_NEVER_RAISES = ("seqtrain_run_exception",)


@dataclass(frozen=True)
class _Call:
    """One implementation, with the arguments it asked for."""

    owner: str
    function: Callable[..., object]
    arguments: tuple[str, ...]


class RunHooks:
    """
    The hooks of one run, called on its instances in the order they are given.

    A step's hooks are called once per step: a tuple of bound methods costs a tenth of pluggy's own dispatch.

    Args:
        instances: trackers, callbacks and other parts by the name they have in checkpoints and errors. `tryfirst` and
            `trylast` are honoured; otherwise the order is that of the mapping, so it is equal on all ranks.

    Raises:
        PluginError: an instance implements a hook that cannot be called; see `read_hooks`.
    """

    def __init__(self, instances: Mapping[str, object]) -> None:
        found = [
            (hook, implementation, name)
            for name, instance in instances.items()
            for hook, implementation in read_hooks(instance, name)
        ]
        found.sort(key=lambda each: each[1].trylast - each[1].tryfirst)  # stable
        self._calls: dict[str, tuple[_Call, ...]] = dict.fromkeys(hook_names(), ())
        for hook, implementation, name in found:
            call = _Call(name, implementation.function, tuple(implementation.argnames))
            self._calls[hook] = (*self._calls[hook], call)

    def call(self, hook: str, /, **arguments: Any) -> None:
        """
        Call every implementation of a hook with those of the arguments that it names.

        Raises:
            SeqtrainError: an implementation failed; other errors than ours arrive as a `PluginError` that names it.
        """
        for each in self._calls[hook]:
            try:
                each.function(**{name: arguments[name] for name in each.arguments})
            except Exception as error:
                if hook in _NEVER_RAISES:
                    logger.warning("%s failed in %s", each.owner, hook, exc_info=error)
                    continue
                if isinstance(error, SeqtrainError):
                    raise
                raise PluginError(
                    f"{each.owner} failed in {hook}: {type(error).__name__}: {error}. "
                    "Leave it out of the configuration, or run with -v to see where it happened."
                ) from error
