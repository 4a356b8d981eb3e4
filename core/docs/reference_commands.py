"""The page of commands; see generate_reference.py."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click
import reference_text as md

from seqtrain.cli.invocation import Invocation
from seqtrain.cli.main import seqtrain as command_line
from seqtrain.registry.discovery import discover
from seqtrain.registry.registry import Registry


def commands() -> Iterator[str]:
    """Yield the page of commands, without those of plugins other than seqtrain-testing."""
    invocation = Invocation()
    invocation.registry = Registry(each for each in discover(environ={}).plugins if each.id == "testing")
    yield "# Commands"
    yield (
        "Results are on stdout, everything else on stderr.\n"
        "Exit codes: [When something goes wrong](../troubleshooting.md)."
    )
    yield from command_section(command_line, click.Context(command_line, info_name="seqtrain", obj=invocation))


def command_section(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the section of a command, then those of the commands below it."""
    yield f"## {context.command_path}"
    yield f"```text\n{' '.join([context.command_path, *command.collect_usage_pieces(context)])}\n```"
    yield md.markdown(inspect.cleandoc(command.help or ""))
    options = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
    if options:
        yield md.table(("option", "meaning"), [(option_words(each), each.help or "") for each in options])
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from command_section(inner, click.Context(inner, info_name=name, parent=context))


def option_words(option: click.Option) -> str:
    """Write an option with what it takes."""
    choices = option.type.choices if isinstance(option.type, click.Choice) else ()
    kind = "\\|".join(choices) if 0 < len(choices) < 6 else option.opts[-1].strip("-").upper()
    takes = "" if option.is_flag else f" {option.metavar or (kind if choices else option.type.name.upper())}"
    return ", ".join(f"`{each}{takes}`" for each in option.opts)
