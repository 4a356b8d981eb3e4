"""`seqtrain config`: look at a configuration without running it. Imports neither torch nor numpy."""

from __future__ import annotations

from typing import Any

import click

from seqtrain.cli.config_options import ConfigCommand, config_options, resolve_options
from seqtrain.cli.invocation import installed_plugins, print_json
from seqtrain.config.dump import to_annotated_yaml
from seqtrain.config.plain import to_tree


@click.group()
def config() -> None:
    """Show or check a resolved configuration."""


@config.command(cls=ConfigCommand)
@config_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(as_json: bool, **options: Any) -> None:
    """Print the resolved configuration, with the origin of each value."""
    resolved = resolve_options(installed_plugins(), **options)
    if as_json:
        print_json("seqtrain.config.show/1", config=to_tree(resolved.config), origins=resolved.origins)
    else:
        click.echo(to_annotated_yaml(resolved), nl=False)


@config.command(cls=ConfigCommand)
@config_options
def check(**options: Any) -> None:
    """Say what is wrong with a configuration, all of it, or "ok"."""
    resolve_options(installed_plugins(), **options)
    click.echo("ok")
