"""The command `seqtrain curve`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from seqtrain.plugin import DataError, UsageError

_LEVELS = "▁▂▃▄▅▆▇█"


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--metric", default="train/loss", show_default=True, help="name of the metric, as in metrics.jsonl.")
@click.option("--width", default=60, show_default=True, type=click.IntRange(min=1), help="longest line, in signs.")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object.")
def curve(run: Path, metric: str, width: int, as_json: bool) -> None:
    """Draw a metric of RUN, from its first step to its last."""
    lines = _read(run / "metrics.jsonl")
    steps = [line["step"] for line in lines if metric in line]
    values = [float(line[metric]) for line in lines if metric in line]
    if not values:
        known = ", ".join(sorted({name for line in lines for name in line if "/" in name}))
        raise UsageError(f"{run} has no metric {metric!r}; it has {known or 'none yet'}.")
    if as_json:
        points = [{"step": step, "value": value} for step, value in zip(steps, values, strict=True)]
        click.echo(json.dumps({"schema": "acme.curve/1", "metric": metric, "points": points}))
        return
    click.echo(f"{metric}  steps {steps[0]} to {steps[-1]}  {values[0]:.4g} to {values[-1]:.4g}")
    click.echo(sparkline(values, width))


def sparkline(values: Sequence[float], width: int) -> str:
    """
    Draw numbers as bars of eight heights, the lowest number lowest.

    Args:
        values: at least one.
        width: signs at most; where there are more numbers, each sign stands for the mean of its share.
    """
    columns = min(width, len(values))
    edges = [len(values) * column // columns for column in range(columns + 1)]
    means = [sum(values[start:end]) / (end - start) for start, end in pairwise(edges)]
    lowest, span = min(means), (max(means) - min(means)) or 1.0
    return "".join(_LEVELS[round((mean - lowest) / span * (len(_LEVELS) - 1))] for mean in means)


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}. Name the folder that --run-dir named.") from error
    except ValueError as error:
        raise DataError(
            f"{file} is not what seqtrain writes: {error}. Is the run still going on? Then try again."
        ) from error
