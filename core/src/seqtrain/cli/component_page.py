"""What `seqtrain plugins show` says of one component."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import click

from seqtrain.cli.invocation import print_facts, print_json, print_table
from seqtrain.config.help import Row, describe, format_rows
from seqtrain.config.schema import COMPONENT_SECTIONS, MAP_SECTIONS
from seqtrain.plugin import Component
from seqtrain.registry.registry import RegisteredComponent

_EXAMPLE_SETTINGS = 3
_FIELDS = {  # kind -> the field that selects one, where that is not a section
    "tokenizer": "task.tokenizer",
    "reader": "task.reader",
    "metric": "task.metric",
    "launcher": "distributed.launcher",
}
_COMMAND_LINES = {
    "command": "seqtrain {} --help",
    "exporter": "seqtrain export RUN --to {} --output PATH",
    "importer": "seqtrain import --from {} SOURCE --run-dir RUN",
}


def show_component(registered: RegisteredComponent, *, as_json: bool) -> None:
    """
    Print a component's provenance, settings, presets and an example.

    Raises:
        PluginError: its config or its presets cannot be loaded.
    """
    component, rows, presets = registered.component, describe(registered.load_config()), registered.load_presets()
    if as_json:
        print_json(
            "seqtrain.plugins.component/1",
            **asdict(component),
            **registered.provenance,
            settings=[asdict(row) for row in rows],
            preset_details=[asdict(preset) for preset in presets.values()],
        )
        return
    click.echo(f"{component.kind} {component.name}: {component.summary}".rstrip(": "))
    print_facts(
        (
            ("plugin", f"{registered.plugin.id} ({registered.plugin.distribution} {registered.plugin.version})"),
            ("installed in", registered.plugin.where),
            ("qualified", registered.qualified_name),
            ("code", component.ref),
            ("settings", component.config or "none"),
            ("for tasks", ", ".join(component.for_tasks)),
        )
    )
    if rows:
        click.echo()
        click.echo(format_rows(rows), nl=False)
    if presets:
        click.echo()
        print_table(
            ("PRESET", "SUMMARY", "ALSO CALLED"),
            [(f"{component.name}/{each.name}", each.summary, ", ".join(each.aliases)) for each in presets.values()],
        )
    example = _example(component, presets, rows)
    if component.kind in _COMMAND_LINES:
        click.echo(f"\nOn the command line: {_COMMAND_LINES[component.kind].format(component.name)}")
    elif example:
        click.echo(f"\nIn a configuration:\n\n{example}")


def _example(component: Component, presets: Iterable[str], rows: Sequence[Row]) -> str:
    """Return how a YAML file names the component; empty where a configuration does not name it."""
    kind, name = component.kind, component.name
    some = [(row.key, row.default) for row in rows[:_EXAMPLE_SETTINGS]]
    section = next((section for section, of in MAP_SECTIONS.items() if of == kind), None)
    if kind == "metric" and not some:
        return _yaml([("task.metrics", f"[{name}]")])
    if section is not None:
        prefix, settings = f"{section}.{name}", some
    elif kind in (*COMPONENT_SECTIONS, *_FIELDS):
        prefix = _FIELDS.get(kind, kind)
        # With a preset the defaults of the table do not hold, so the name is all there is to say.
        preset = next((f"{name}/{each}" for each in presets), None)
        settings = [("name", preset)] if preset else [("name", name), *some]
    else:
        return ""
    return _yaml([(f"{prefix}.{key}", value) for key, value in settings] or [(prefix, "{}")])


def _yaml(settings: Iterable[tuple[str, str]]) -> str:
    """Return dotted keys and their values as nested lines."""
    lines: list[str] = []
    above: list[str] = []
    for key, value in settings:
        *parents, leaf = key.split(".")
        for depth, parent in enumerate(parents):
            if above[: depth + 1] != parents[: depth + 1]:
                lines.append(f"{'  ' * depth}{parent}:")
        above = parents
        lines.append(f"{'  ' * len(parents)}{leaf}: {value}")
    return "\n".join(lines)
