"""The hooks of a run: checked once, then called as plain functions."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seqtrain.errors import PluginError, SeqtrainError
from seqtrain.host.hook_check import Implementation, read_hooks, specified_hooks
from seqtrain.host.registered import Registered

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
    owner: Registered | None
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

    def __init__(self, instances: Mapping[str, object], owners: Mapping[str, Registered] | None = None) -> None:
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
