"""`seqtrain plugins`: what is installed, and what it offers. Never imports torch, numpy or omegaconf."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from seqtrain.cli.invocation import (
    PLUGINS_PREFIX,
    Group,
    Invocation,
    installed_plugins,
    load_command,
    print_facts,
    print_json,
    print_table,
)
from seqtrain.errors import PluginError, did_you_mean
from seqtrain.plugin import KINDS
from seqtrain.registry.first_party import first_party_plugin

if TYPE_CHECKING:
    from seqtrain.registry.installed import Plugin
    from seqtrain.registry.registry import RegisteredComponent, Registry


class PluginsGroup(Group):
    """
    The commands of this module, and those of plugins that are called `plugins-NAME`, as `NAME`.

    `new` and `check` come from seqtrain-testing, which is for plugin authors; where it is absent, the registry's error
    says what to install.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*super().list_commands(ctx), *_supplied(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name; that of a plugin is imported."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        registry, name = ctx.ensure_object(Invocation).registry, f"{PLUGINS_PREFIX}{cmd_name}"
        is_known = registry.knows("command", name) or first_party_plugin("command", name)
        return load_command(registry, name) if is_known else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands; those of plugins from their records, without importing them."""
        own = {name: each.get_short_help_str(limit=formatter.width) for name, each in self.commands.items()}
        with formatter.section("Commands"):
            formatter.write_dl(sorted({**_supplied(ctx), **own}.items()))


def _supplied(ctx: click.Context) -> dict[str, str]:
    """Return the summaries of the commands that plugins add to this group."""
    offered = [each.component for each in ctx.ensure_object(Invocation).registry.components("command")]
    return {
        each.name.removeprefix(PLUGINS_PREFIX): each.summary for each in offered if each.name.startswith(PLUGINS_PREFIX)
    }


@click.group(cls=PluginsGroup)
def plugins() -> None:
    """Show what is installed and what it offers."""


@plugins.command(name="list")
@click.option("--components", "as_components", is_flag=True, help="List the components, not the plugins.")
@click.option("--kind", type=click.Choice(KINDS), help="List the components of this kind.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_(as_components: bool, kind: str | None, as_json: bool) -> None:
    """
    List the installed plugins, or the components they offer.

    A line with an exclamation mark says what is wrong with one, and what to type.
    """
    registry = installed_plugins()
    if as_components or kind:
        _list_components(registry, kind, as_json=as_json)
    elif as_json:
        plugins = [asdict(plugin) for plugin in registry.plugins]
        print_json("seqtrain.plugins.list/1", plugins=plugins, ambiguous=registry.ambiguous())
    else:
        _list_plugins(registry)


@plugins.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(name: str, as_json: bool) -> None:
    """
    Show one plugin or component.

    NAME is a plugin, such as `optim`; a kind and a component, such as `model/transformer`; or just a component.
    """
    registry = installed_plugins()
    named = [plugin for plugin in registry.plugins if plugin.id == name]
    if not named:
        from seqtrain.cli.component_page import show_component  # half of the time that `list` takes

        show_component(_find(registry, name), as_json=as_json)
    elif as_json:
        print_json("seqtrain.plugins.show/1", plugins=[asdict(plugin) for plugin in named])
    else:
        for plugin in named:
            _show_plugin(plugin)


def _list_plugins(registry: Registry) -> None:
    print_table(
        ("PLUGIN", "STATE", "DISTRIBUTION", "VERSION", "COMPONENTS", "WHERE"),
        [
            (each.id, each.state, each.distribution or "?", each.version or "?", _count(each), each.where)
            for each in registry.plugins
        ],
    )
    _print_remarks(registry, None)


def _list_components(registry: Registry, kind: str | None, *, as_json: bool) -> None:
    components = registry.components(kind)
    if as_json:
        records = [
            asdict(each.component) | each.provenance | {"ambiguous": registry.is_ambiguous(each)} for each in components
        ]
        print_json("seqtrain.plugins.components/1", components=records)
        return
    print_table(
        ("KIND", "NAME", "SUMMARY", "PLUGIN"),
        [
            (
                each.component.kind,
                each.qualified_name if registry.is_ambiguous(each) else each.component.name,
                each.component.summary,
                each.plugin.id,
            )
            for each in components
        ],
    )
    _print_remarks(registry, kind)


def _print_remarks(registry: Registry, kind: str | None) -> None:
    """Say what is wrong, one line each."""
    for plugin in registry.plugins:
        for remark in plugin.remarks:
            click.echo(f"! {plugin.id}: {remark}")
    for remark in registry.ambiguous(kind):
        click.echo(f"! {remark}")


def _show_plugin(plugin: Plugin) -> None:
    click.echo(f"plugin {plugin.id}: {plugin.state}")
    print_facts(
        (
            ("distribution", f"{plugin.distribution or '?'} {plugin.version or ''}".rstrip()),
            ("installed in", plugin.where),
            ("entry point", plugin.entry_point),
            ("because", plugin.note),
            ("what to do", plugin.remedy or (plugin.newer_or_none if plugin.bad_records else "")),
            *((f"{each.kind} {each.name}".strip() or "a record", each.note) for each in plugin.bad_records),
        )
    )
    if plugin.components:
        click.echo()
        print_table(("KIND", "NAME", "SUMMARY"), [(each.kind, each.name, each.summary) for each in plugin.components])
        first = plugin.components[0]
        click.echo(f"\nSettings and presets of one: seqtrain plugins show {first.kind}/{first.name}")
    if plugin.traceback:
        click.echo(f"\n{plugin.traceback.rstrip()}")


def _find(registry: Registry, name: str) -> RegisteredComponent:
    """Return the component that `KIND/NAME`, or a name alone, means."""
    kind, _, rest = name.partition("/")
    if kind in KINDS and rest:
        return registry.get(kind, rest)
    found = [each for each in registry.components() if name in (each.component.name, each.qualified_name)]
    if len(found) == 1:
        return found[0]
    if found:
        choices = ", ".join(f"{each.component.kind}/{each.qualified_name}" for each in found)
        raise PluginError(f"{name!r} may be one of {choices}. Which one?")
    for each in KINDS:
        if registry.knows(each, name) or first_party_plugin(each, name):
            return registry.get(each, name)  # raises, and says what is wrong with it or where it comes from
    names = [each.component.name for each in registry.components()] + [plugin.id for plugin in registry.plugins]
    raise PluginError(
        f"No plugin or component is named {name!r}.{did_you_mean(name, names)}{registry.unusable()} "
        "See `seqtrain plugins list --components`."
    )


def _count(plugin: Plugin) -> str:
    kinds = Counter(component.kind for component in plugin.components)
    return ", ".join(f"{number} {kind}" for kind, number in kinds.items()) or "-"
