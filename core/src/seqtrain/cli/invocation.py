"""What the commands of one command line share."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from seqtrain.errors import PluginError, did_you_mean
from seqtrain.metrics.console import unprotect_terminal
from seqtrain.registry.filters import PluginFilters

if TYPE_CHECKING:
    from seqtrain.registry.registry import Registry
    from seqtrain.run.results import Results

PLUGINS_PREFIX = "plugins-"  # of the names of commands that plugins add to `seqtrain plugins`


def installed_plugins() -> Registry:
    """Return the plugins as the options before the command and the environment would have them."""
    return present_invocation().registry


def present_invocation() -> Invocation:
    """Return what is known of the command line."""
    return click.get_current_context().ensure_object(Invocation)


def finish(results: Results) -> int:
    """Print what a command has to say in the end, unless a worker has, and return the exit code."""
    if not results.exit_code and not results.is_told:
        click.echo(results.summary())
    return results.exit_code


@dataclass
class Invocation:
    """
    The options before the command, and what is looked up once; click's `ctx.obj`.

    Args:
        arguments: the whole command line, without the program's name.
        verbose: show the traceback of every error.
        plugin_filters: which plugins to use.
    """

    arguments: Sequence[str] = ()
    verbose: bool = False
    plugin_filters: PluginFilters = field(default_factory=lambda: PluginFilters.from_environment(os.environ))

    @cached_property
    def registry(self) -> Registry:
        """The installed plugins, looked up when somebody asks; a switch that has no effect is reported on stderr."""
        from seqtrain.registry.discovery import discover  # 60 ms that `train --help` does without

        registry = discover(plugin_filters=self.plugin_filters)
        for warning in self.plugin_filters.unknown_ids(plugin.id for plugin in registry.plugins):
            sys.stderr.write(f"seqtrain: warning: {warning}\n")
        return registry

    def refuse_if_strict(self) -> None:
        """
        Look at every plugin where the user asked to be strict.

        Raises:
            PluginError: one is not as it should be; those switched off do not count, as that was asked for.
        """
        if not self.plugin_filters.strict:
            return
        bad = [each for each in self.registry.plugins if each.state != "disabled" and each.remarks]
        if bad:
            remarks = "\n".join(f"{plugin.id} ({plugin.state}): {each}" for plugin in bad for each in plugin.remarks)
            tracebacks = "".join(f"\n{plugin.id}: {plugin.traceback.rstrip()}" for plugin in bad if plugin.traceback)
            raise PluginError(f"plugins are to be without fault, as strict mode was asked for:\n{remarks}{tracebacks}")


def load_command(registry: Registry, name: str) -> click.Command:
    """
    Import the command that a plugin offers under this name.

    Raises:
        PluginError: no usable plugin offers it, two do, or it is no command.
    """
    offered = registry.get("command", name)
    command = offered.load()
    if not isinstance(command, click.Command):
        raise PluginError(f"{offered}: {offered.component.ref} is not a click command.")
    from seqtrain.registry.entry_points import is_ours

    if not is_ours(offered.plugin):
        unprotect_terminal()  # colours and the like are a stranger's own affair
    return command


class Group(click.Group):
    """Click's group, with a suggestion for a misspelled command, as click itself has for a misspelled option."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with."""
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            raise click.UsageError(f"No such command {name!r}.{self.hint(ctx, name)}", ctx)
        return super().resolve_command(ctx, args)

    def hint(self, ctx: click.Context, name: str) -> str:
        """Say what may have been meant, in a sentence after a blank; nothing where there is no telling."""
        return did_you_mean(name, self.list_commands(ctx))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns as wide as their widest entry; line breaks in an entry become blanks."""
    lines = [list(headings), *([" ".join(entry.split()) for entry in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        click.echo("  ".join(entry.ljust(width) for entry, width in zip(line, widths, strict=True)).rstrip())


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print labelled values, indented; empty ones are left out."""
    width = max(len(label) for label, _ in facts)
    for label, value in facts:
        if value:
            click.echo(f"  {label.ljust(width)}  {value}")


def print_json(schema: str, **content: Any) -> None:
    """Print one JSON object that names its schema, such as "seqtrain.plugins.list/1"."""
    click.echo(json.dumps({"schema": schema, **content}, indent=2))
