"""`seqtrain checkpoints`: list, verify and average what a run has saved."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seqtrain.checkpoint.catalog import BEST, LAST, CheckpointCatalog
from seqtrain.checkpoint.checkpoint import Checkpoint
from seqtrain.checkpoint.manifest import plain_measures, verify
from seqtrain.checkpoint.store import CheckpointStore
from seqtrain.cli.paths import UserPath
from seqtrain.errors import CheckpointError, UsageError
from seqtrain.run.folder import RunFolder

if TYPE_CHECKING:
    from torch import Tensor

_RUN = click.argument("run", type=UserPath())


@click.group(name="checkpoints")
def checkpoints() -> None:
    """List, verify and average a run's checkpoints."""


@checkpoints.command(name="list")
@_RUN
@click.option("--json", "as_json", is_flag=True, help="Write a JSON list.")
def list_command(run: Path, *, as_json: bool) -> None:
    """List the checkpoints of RUN: step, epoch, size, measures, and what points to them."""
    catalog = _catalog(run)
    pointers = {pointer: catalog.pointer(pointer) for pointer in (LAST, BEST)}
    found = [*catalog.checkpoints(), *catalog.averages()]
    records = [
        {
            "name": each.name,
            "step": each.step,
            "epoch": each.epoch,
            "bytes": each.size,
            "pointers": [pointer for pointer, name in pointers.items() if name == each.name],
            "measures": plain_measures(each.measures),
        }
        for each in found
    ]
    if as_json:
        click.echo(json.dumps(records, indent=2))
    else:
        click.echo(_table(found, pointers))


@checkpoints.command(name="verify")
@_RUN
@click.argument("name", required=False)
def verify_command(run: Path, name: str | None) -> None:
    """Compare the checkpoints of RUN, or the one called NAME, with the hashes in their manifests."""
    catalog = _catalog(run)
    folders = [catalog.find(name)] if name else catalog.folders()
    if not folders:
        raise CheckpointError(f"There is no checkpoint in {catalog.folder}.")
    problems = []
    for folder in folders:
        try:
            verify(folder)
        except CheckpointError as error:
            problems.append(str(error))
            click.echo(f"{folder.name}  bad")
        else:
            click.echo(f"{folder.name}  ok")
    if problems:
        raise CheckpointError("\n".join(problems))


@checkpoints.command(name="average")
@_RUN
@click.argument("names", nargs=-1)
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Average the newest N.")
@click.option("--best", type=click.IntRange(min=1), metavar="N", help="Average the best N by the run's best_metric.")
@click.option("--output", metavar="NAME", help="Name of the result; default: average-last-N and the like.")
def average_command(run: Path, names: tuple[str, ...], last: int | None, best: int | None, output: str | None) -> None:
    """
    Average the weights of several checkpoints of RUN, by --last, --best or NAMES.

    The result lies beside them and can be named wherever a checkpoint can.
    """
    if sum((bool(names), last is not None, best is not None)) != 1:
        raise UsageError("Say which checkpoints to average: either --last N, or --best N, or their names.")
    store = CheckpointStore(_catalog(run).folder)
    if last is not None:
        names, which = _first(last, store.checkpoints()[::-1], "checkpoints"), f"last-{last}"
    elif best is not None:
        names, which = _first(best, store.ranked(), "checkpoints measured by its best_metric"), f"best-{best}"
    else:
        which = "-".join(names).replace("/", "-")
    sources = sorted((store.open(name) for name in names), key=lambda each: each.step)
    path = store.save_average(output or f"average-{which}", _mean(RunFolder(run), sources), sources)
    click.echo(f"Averaged {', '.join(each.name for each in sources)}", err=True)
    click.echo(str(path))


def _mean(folder: RunFolder, sources: Sequence[Checkpoint]) -> dict[str, Tensor]:
    """Average the weights that validation used, as `predict` would load them from each checkpoint."""
    from seqtrain.cli.invocation import installed_plugins
    from seqtrain.config.resolve import resolve
    from seqtrain.inference.average import average
    from seqtrain.inference.load import weights_for_inference

    if not folder.config.is_file():  # checkpoints alone, without the run that would know of other weights
        return average(sources)
    registry = installed_plugins()
    config = resolve(registry, config_file=folder.config).config
    return average(sources, lambda checkpoint: weights_for_inference(checkpoint, config, registry))


def _catalog(run: Path) -> CheckpointCatalog:
    RunFolder(run).refuse_links()
    folder = RunFolder(run).checkpoints
    if not folder.is_dir():
        raise CheckpointError(f"{run} is not the folder of a run: it has no folder checkpoints/.")
    return CheckpointCatalog(folder)


def _first(count: int, found: Sequence[Checkpoint], what: str) -> tuple[str, ...]:
    if count > len(found):
        raise CheckpointError(f"The run has {len(found)} {what}, not {count}. `seqtrain checkpoints list` shows them.")
    return tuple(each.name for each in found[:count])


def _table(found: Iterable[Checkpoint], pointers: dict[str, str | None]) -> str:
    """Lay checkpoints out in columns as wide as their widest cell."""
    rows = [("name", "step", "epoch", "MB", "", "measures")]
    for each in found:
        marks = " ".join(pointer for pointer, name in pointers.items() if name == each.name)
        measures = "  ".join(f"{name}={value:.4g}" for name, value in each.measures.items())
        rows.append((each.name, f"{each.step:,}", f"{each.epoch}", f"{each.size / 1e6:,.1f}", marks, measures))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
