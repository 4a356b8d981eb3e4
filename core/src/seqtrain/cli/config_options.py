"""The options of every command that takes a configuration, and its help for the components that they select."""

from __future__ import annotations

import functools
import os.path
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from seqtrain.cli.invocation import installed_plugins
from seqtrain.config.help import Row, describe, format_rows
from seqtrain.config.option import option_of
from seqtrain.config.paths import expand_home
from seqtrain.config.resolve import Resolved, Sources, chosen_components, resolve
from seqtrain.config.schema import COMPONENT_SECTIONS, CORE_SECTIONS
from seqtrain.errors import ConfigError, UsageError
from seqtrain.registry.registry import RegisteredComponent, Registry

# Field of `distributed` -> (type, what stands for it in help, what it is).
_DISTRIBUTED: dict[str, tuple[Any, str, str]] = {
    "workers": (click.IntRange(min=1), "N", "processes that train together on this host."),
    "nodes": (click.IntRange(min=1), "N", "hosts; the same command is typed on each. Needs --rendezvous."),
    "rendezvous": (str, "HOST:PORT", "where the hosts meet: one of them, and a free port there."),
    "max_restarts": (
        click.IntRange(min=0),
        "N",
        "start all workers again, from the newest checkpoint, up to N times when one has failed.",
    ),
}


def config_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """
    Give a command `[CONFIG.yaml] [KEY=VALUE]... [--task T] [--model M] ...`.

    The function gets `config_file`, `overrides` and one argument for each option; `resolve_options` takes them all.
    """

    @functools.wraps(function)
    def with_words_sorted(*args: Any, words: tuple[str, ...], **params: Any) -> Any:
        config_file, overrides = sort_words(words)
        return function(*args, config_file=config_file, overrides=overrides, **params)

    decorated: Callable[..., Any] = with_words_sorted
    for kind in reversed(COMPONENT_SECTIONS):
        metavar = "NAME[/PRESET]" if kind == "model" else "NAME"
        described = f"the {kind.replace('_', ' ')} to use."
        decorated = click.option(f"--{kind.replace('_', '-')}", metavar=metavar, help=described)(decorated)
    return click.argument("words", nargs=-1, metavar="[CONFIG.yaml] [KEY=VALUE]...")(decorated)


def distributed_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """
    Give a command with `config_options` the settings of several workers as options of their own.

    The function gets them as the first of its `overrides`, so that KEY=VALUE, where it says otherwise, holds.
    """

    @functools.wraps(function)
    def with_overrides(*args: Any, overrides: tuple[str, ...], **params: Any) -> Any:
        given = {name: params.pop(name) for name in _DISTRIBUTED}
        chosen = tuple(f"distributed.{name}={value}" for name, value in given.items() if value is not None)
        return function(*args, overrides=(*chosen, *overrides), **params)

    decorated: Callable[..., Any] = with_overrides
    for name, (kind, metavar, described) in reversed(_DISTRIBUTED.items()):
        option = f"--{name.replace('_', '-')}"
        decorated = click.option(option, type=kind, metavar=metavar, default=None, help=described)(decorated)
    return decorated


def resolve_options(registry: Registry, **options: Any) -> Resolved:
    """
    Resolve what `config_options` gave a command; what is left out of a saved configuration is told on stderr.

    Raises:
        ConfigError: settings are wrong; the message lists all of them, each with its location.
        PluginError: nothing but components or plugins is wrong.
    """
    resolved = resolve(registry, **options)
    for key, location in resolved.ignored.items():
        if resolved.origin(key) == "default":  # nobody says otherwise
            sys.stderr.write(
                f"seqtrain: warning: {location}: {key} is ignored, as a run's folder may be a stranger's and says "
                f"nothing of places outside it. To have it, type {key}=VALUE.\n"
            )
    return resolved


def sort_words(words: Sequence[str]) -> tuple[Path | None, tuple[str, ...]]:
    """
    Tell the file from the `key=value` arguments.

    Args:
        words: a command's positional arguments. The first is a file if it has no `=`, or if there is such a file.

    Raises:
        ConfigError: there is no such file.
        UsageError: another word has no `=`.
    """
    config_file = None
    if words and ("=" not in words[0] or os.path.isfile(words[0])):  # noqa: PTH113 - pathlib raises at a long setting
        config_file, words = Path(expand_home(words[0])), words[1:]
        if not os.path.exists(config_file):  # noqa: PTH110
            raise ConfigError(f"{config_file}: no such file. Name a YAML file first, and write settings as KEY=VALUE.")
    for word in words:
        if "=" not in word:
            raise UsageError(f"{word!r} is no setting of the form KEY=VALUE, and only the first word may name a file.")
    return config_file, tuple(words)


class ConfigCommand(click.Command):
    """A command with `config_options` whose `--help` lists the fields of the components that are selected."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments: `--help` acts before any other option is stored."""
        ctx.meta[__name__] = list(args)
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Add the tables after the options."""
        super().format_epilog(ctx, formatter)
        given = self.make_context(ctx.info_name, list(ctx.meta.get(__name__, [])), resilient_parsing=True).params
        options = {kind: given[kind] for kind in COMPONENT_SECTIONS}
        config_file, overrides = sort_words(given["words"] or ())
        if config_file or overrides or any(options.values()):
            tables = component_help(installed_plugins(), config_file=config_file, overrides=overrides, **options)
            formatter.write(f"\n{tables}")
        else:
            formatter.write("\nFor the settings of a task and of what it trains: --task NAME --help\n")


def component_help(registry: Registry, **options: Any) -> str:
    """
    Write the field tables of the selected components and of core's sections.

    Args:
        registry: the installed components.
        options: as `config_options` gives them; those that are left out may be chosen by the task's recipe.

    Raises:
        ConfigError: the file or an argument cannot be read.
        PluginError: a component is unknown.
    """
    parts = []
    for kind, registered in chosen_components(registry, Sources(**options)).items():
        component = registered.component
        title = f"{kind} {component.name}" + (f": {component.summary}" if component.summary else "")
        parts.append(_table(title, _component_rows(registry, registered, kind)))
    for section, config_type in CORE_SECTIONS.items():
        parts.append(_table(section, describe(config_type, section)))
    return "\n".join(parts)


def _component_rows(registry: Registry, registered: RegisteredComponent, prefix: str) -> list[Row]:
    """List a component's fields, followed by those of the components that it selects by default."""
    config_type = registered.load_config()
    rows = describe(config_type, prefix)
    for row in list(rows):
        name = row.key.removeprefix(f"{prefix}.").removesuffix(".name")
        if "." in name or not row.key.endswith(".name"):
            continue
        kind = option_of(config_type, name).component
        if kind is not None and row.default not in ("null", "required"):
            below = _component_rows(registry, registry.get(kind, row.default), f"{prefix}.{name}")
            rows[rows.index(row) + 1 : rows.index(row) + 1] = below
    return rows


def _table(title: str, rows: Sequence[Row]) -> str:
    return f"{title}\n{format_rows(rows) if rows else 'no settings'}"
