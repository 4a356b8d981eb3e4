"""`seqtrain export` and `seqtrain import`: models out to other programs, and in from them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from seqtrain.cli.paths import UserPath

_SETTINGS = click.argument("settings", nargs=-1, metavar="[FIELD=VALUE]...")


@click.command(name="export")
@click.argument("run", type=UserPath())
@_SETTINGS
@click.option("--to", "name", required=True, metavar="NAME", help="The exporter: what format to write.")
@click.option("--output", required=True, metavar="PATH", type=UserPath(), help="What to write; not there yet.")
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    metavar="NAME",
    help="best, last, a step, or a folder. Default: the best, else the last.",
)
def export(run: Path, settings: Sequence[str], name: str, output: Path, checkpoints: Sequence[str]) -> None:
    """
    Write the model of a trained RUN in another program's format.

    FIELD=VALUE sets a field of the exporter; `seqtrain plugins show exporter/NAME` lists them.
    """
    from seqtrain.checkpoint.atomic_io import refuse_occupied
    from seqtrain.cli.invocation import installed_plugins
    from seqtrain.config.resolve import resolve
    from seqtrain.config.standalone import resolve_component
    from seqtrain.run.folder import RunFolder

    refuse_occupied(output)  # at once, and not after torch
    folder = RunFolder(run)
    folder.require_run()
    folder.refuse_output(output)
    registry = installed_plugins()
    exporter = resolve_component(registry, "exporter", name, overrides=settings)
    config = resolve(registry, config_file=folder.config).config

    from seqtrain.inference.exchange import export_run
    from seqtrain.inference.load import load_run
    from seqtrain.metrics.console import start_logging

    start_logging("warning", "plain")
    export_run(load_run(folder, registry, config, checkpoints=checkpoints), output, exporter, registry)
    click.echo(str(output))


@click.command(name="import")
@click.argument("source", type=UserPath(exists=True))
@_SETTINGS
@click.option("--from", "name", required=True, metavar="NAME", help="The importer: what format to read.")
@click.option("--run-dir", required=True, metavar="RUN", type=UserPath(), help="The run to make; not there yet.")
def import_(source: Path, settings: Sequence[str], name: str, run_dir: Path) -> None:
    """
    Make a run of a model that another program has trained, read from SOURCE.

    The run can predict and be evaluated, not trained further.
    FIELD=VALUE sets a field of the importer; `seqtrain plugins show importer/NAME` lists them.
    """
    from seqtrain.checkpoint.atomic_io import refuse_occupied
    from seqtrain.cli.invocation import installed_plugins
    from seqtrain.config.standalone import resolve_component

    refuse_occupied(run_dir)
    registry = installed_plugins()
    importer = resolve_component(registry, "importer", name, overrides=settings)

    from seqtrain.inference.exchange import import_run
    from seqtrain.metrics.console import start_logging

    start_logging("warning", "plain")
    import_run(source, run_dir, importer, registry, command=sys.argv)
    click.echo(str(run_dir))
