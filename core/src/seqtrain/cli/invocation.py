"""What the commands of one command line share."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import click

from seqtrain.errors import PluginError
from seqtrain.registry.filters import Switches

if TYPE_CHECKING:
    from seqtrain.registry.registry import Registry


def installed_plugins() -> Registry:
    """Return the plugins as the options before the command and the environment would have them."""
    return present_invocation().registry


def present_invocation() -> Invocation:
    """Return what is known of the command line."""
    return click.get_current_context().ensure_object(Invocation)


@dataclass
class Invocation:
    """
    The options before the command, and what is looked up once; click's `ctx.obj`.

    Args:
        arguments: the whole command line, without the program's name.
        verbose: show the traceback of every error.
        switches: which plugins to use.
    """

    arguments: Sequence[str] = ()
    verbose: bool = False
    switches: Switches = field(default_factory=lambda: Switches.from_environment(os.environ))

    @cached_property
    def registry(self) -> Registry:
        """The installed plugins, looked up when somebody asks; a switch that has no effect is told on stderr."""
        from seqtrain.registry.discovery import discover  # 60 ms that `train --help` does without

        registry = discover(switches=self.switches)
        for warning in self.switches.unknown_ids(plugin.id for plugin in registry.plugins):
            sys.stderr.write(f"seqtrain: warning: {warning}\n")
        return registry

    def refuse_if_strict(self) -> None:
        """
        Look at every plugin where the user asked to be strict.

        Raises:
            PluginError: one is not as it should be; those switched off do not count, as that was asked for.
        """
        if not self.switches.strict:
            return
        bad = [each for each in self.registry.plugins if each.state != "disabled" and each.remarks]
        if bad:
            remarks = "\n".join(f"{plugin.id} ({plugin.state}): {each}" for plugin in bad for each in plugin.remarks)
            tracebacks = "".join(f"\n{plugin.id}: {plugin.traceback.rstrip()}" for plugin in bad if plugin.traceback)
            raise PluginError(f"plugins are to be without fault, as strict mode was asked for:\n{remarks}{tracebacks}")
