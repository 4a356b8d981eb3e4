"""`seqtrain predict`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from seqtrain.cli.invocation import Invocation, finish
from seqtrain.cli.paths import UserPath
from seqtrain.cli.run_arguments import config_of_run, run_arguments
from seqtrain.errors import DataError, UsageError


@click.command()
@run_arguments
@click.option("--input", "input_file", type=UserPath(), default=None, help="read from a file, not stdin.")
@click.option("--output", "output_file", type=UserPath(), default=None, help="write to a file, not stdout.")
@click.pass_obj
def predict(
    invocation: Invocation,
    /,
    *,
    run: Path,
    overrides: Sequence[str],
    checkpoints: Sequence[str],
    workers: int | None,
    input_file: Path | None,
    output_file: Path | None,
) -> int:
    """
    Predict a line for each input line, in order, with a trained RUN.

    KEY=VALUE changes settings for this time, such as task.generation.beam=1. The main worker reads and writes; where a
    launcher starts it elsewhere, name files with --input and --output.
    """
    if input_file is not None and output_file is not None and input_file.resolve() == output_file.resolve():
        raise UsageError(f"--input and --output are both {input_file}, which would be lost. Choose another --output.")
    if input_file is not None and not input_file.exists():
        raise DataError(f"{input_file}: No such file or directory. Check --input and --output.")
    config = config_of_run(invocation.registry, run, overrides, workers)

    from seqtrain import launch  # torch comes in here, once the arguments are known to make sense
    from seqtrain.run.request import PredictRequest

    request = PredictRequest(
        config=config,
        run_dir=run,
        checkpoints=checkpoints,
        input_file=input_file,
        output_file=output_file,
        verbose=invocation.verbose,
    )
    return finish(launch.call_main(request, invocation.registry))
