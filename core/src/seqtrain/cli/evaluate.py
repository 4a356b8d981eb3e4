"""`seqtrain evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from seqtrain.cli.invocation import Invocation, finish
from seqtrain.cli.run_arguments import config_of_run, run_arguments


@click.command()
@run_arguments
@click.option("--split", default=None, metavar="NAME", help="what to measure on. Default: test, else valid.")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object.")
@click.pass_obj
def evaluate(
    invocation: Invocation,
    /,
    *,
    run: Path,
    overrides: Sequence[str],
    checkpoints: Sequence[str],
    workers: int | None,
    split: str | None,
    as_json: bool,
) -> int:
    """
    Measure a trained RUN on a split.

    KEY=VALUE changes settings for this time, such as task.generation.beam=1 or task.test=PREFIX.
    """
    config = config_of_run(invocation.registry, run, overrides, workers)

    from seqtrain import launch  # torch comes in here, once the arguments are known to make sense
    from seqtrain.run.request import EvaluateRequest

    request = EvaluateRequest(
        config=config,
        run_dir=run,
        checkpoints=checkpoints,
        split=split,
        as_json=as_json,
        verbose=invocation.verbose,
    )
    return finish(launch.call_main(request, invocation.registry))
