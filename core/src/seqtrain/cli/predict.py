"""`seqtrain predict`."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import click

from seqtrain.cli.invocation import Invocation, finish
from seqtrain.cli.paths import UserPath
from seqtrain.cli.run_arguments import config_of_run, run_arguments
from seqtrain.errors import DataError, UsageError
from seqtrain.run.folder import RunFolder


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
    if input_file is not None and not input_file.exists():
        raise DataError(f"{input_file}: No such file or directory. Check --input and --output.")
    refuse_to_overwrite(input_file, output_file, RunFolder(run))
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


def refuse_to_overwrite(input_file: Path | None, output_file: Path | None, run: RunFolder) -> None:
    """
    Raise `UsageError` if what is written would be what is read, by whatever name: the input, or a file of the run.

    Args:
        input_file: None for stdin.
        output_file: None for stdout.
        run: the run that predicts.
    """
    source, sink = _regular(input_file, sys.stdin), _regular(output_file, sys.stdout)
    if source is not None and sink is not None and os.path.samestat(source, sink):
        raise UsageError(
            f"{input_file or 'stdin'} and {output_file or 'stdout'} are one and the same file, which would be lost. "
            "Choose another --output."
        )
    if output_file is not None:
        run.refuse_output(output_file)


def _regular(path: Path | None, stream: TextIO | None) -> os.stat_result | None:
    """Look at what a path or a standard stream leads to, if it is a plain file."""
    with suppress(OSError, ValueError):  # not there yet, or closed
        found = path.stat() if path is not None else os.fstat(stream.fileno()) if stream is not None else None
        return found if found is not None and stat.S_ISREG(found.st_mode) else None
    return None
