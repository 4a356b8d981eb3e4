"""`seqtrain plugins check`: is a plugin ready to be published?"""

from __future__ import annotations

import click


@click.command()
def check() -> None:
    """Check a plugin against the rules."""
