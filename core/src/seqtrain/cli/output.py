"""Results on stdout: tables for people, one JSON object for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click


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
    click.echo(json.dumps({"schema": schema, **content}, ensure_ascii=False, indent=2))
