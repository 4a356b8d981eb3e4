"""`seqtrain plugins new`: write a plugin that works."""

from __future__ import annotations

import click


@click.command()
def new() -> None:
    """Write a new plugin package."""
