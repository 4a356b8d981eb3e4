"""`seqtrain evaluate` and `seqtrain predict`: what can be done with a trained run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, cast

import click

from seqtrain.errors import DataError, UsageError

if TYPE_CHECKING:
    from seqtrain.inference import TrainedRun


def run_arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the arguments that both commands take: the run, its checkpoints, and settings."""
    for add in (
        click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]..."),
        click.argument("run", type=click.Path(path_type=Path)),
        click.option(
            "--checkpoint",
            "checkpoints",
            multiple=True,
            metavar="NAME",
            help="best, last, a step, or a folder; several decide together. Default: the best, else the last.",
        ),
    ):
        command = add(command)
    return command


@click.command()
@run_arguments
@click.option("--split", default=None, metavar="NAME", help="what to measure on. Default: test, else valid.")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object.")
def evaluate(run: Path, overrides: Sequence[str], checkpoints: Sequence[str], split: str | None, as_json: bool) -> None:
    """
    Measure a trained RUN on a split.

    KEY=VALUE changes settings for this time, such as task.generation.beam=1 or task.test=PREFIX.
    """
    from seqtrain.results import final_split

    trained = _load(run, overrides, checkpoints)
    split = split or final_split(trained.task)
    known = ", ".join(trained.task.splits())
    if split is None:
        raise UsageError(f"This run has no test and no validation set, only {known}. Set task.test=PREFIX to add one.")
    if split not in trained.task.splits():
        raise UsageError(f"There is no split {split!r} in this run; it has {known}. Set task.test=PREFIX to add one.")
    measures = trained.evaluator.measure(split, trained.models)
    notes = trained.task.describe_measures(split)
    if as_json:
        result = {
            "schema": "seqtrain.evaluate/1",
            "run": str(run),
            "checkpoints": list(trained.checkpoints),
            "split": split,
            "measures": measures,
            "notes": dict(notes),
        }
        click.echo(json.dumps(result, ensure_ascii=False))
        return
    click.echo(f"{split}  {', '.join(trained.checkpoints)}")
    for name, value in measures.items():
        click.echo(f"  {name:<12} {value:10.4f}  {notes.get(name, '')}".rstrip())


@click.command()
@run_arguments
@click.option(
    "--input", "input_file", type=click.Path(path_type=Path), default=None, help="read from a file, not stdin."
)
@click.option(
    "--output", "output_file", type=click.Path(path_type=Path), default=None, help="write to a file, not stdout."
)
def predict(
    run: Path, overrides: Sequence[str], checkpoints: Sequence[str], input_file: Path | None, output_file: Path | None
) -> None:
    """
    Predict a line for each input line, in order, with a trained RUN.

    KEY=VALUE changes settings for this time, such as task.generation.beam=1.
    """
    if input_file is not None and output_file is not None and input_file.resolve() == output_file.resolve():
        raise UsageError(f"--input and --output are both {input_file}, which would be lost. Choose another --output.")
    with _open(input_file, "rb", sys.stdin) as source:
        trained = _load(run, overrides, checkpoints)
        with _open(output_file, "wb", sys.stdout) as sink:
            for prediction in trained.task.predict(trained.models, _lines(source, str(input_file or "stdin"))):
                sink.write(prediction.encode() + b"\n")
                sink.flush()


def _load(run: Path, overrides: Sequence[str], checkpoints: Sequence[str]) -> TrainedRun:
    """Load a run for inference; torch is imported here, once the arguments are known to make sense."""
    from seqtrain.cli.invocation import installed_plugins
    from seqtrain.config.resolve import resolve
    from seqtrain.run_folder import RunFolder
    from seqtrain.run_start import refuse_other_task

    folder = RunFolder(run)
    folder.require_run()
    registry = installed_plugins()
    config = resolve(registry, config_file=folder.config, overrides=overrides).config
    if overrides:
        refuse_other_task(folder, resolve(registry, config_file=folder.config).config, config)

    from seqtrain.inference import load_run
    from seqtrain.logs import start_logging

    start_logging("warning", "plain")
    return load_run(folder, registry, config, checkpoints=checkpoints)


def _lines(source: BinaryIO, name: str) -> Iterator[str]:
    for number, line in enumerate(source, start=1):
        try:
            yield line.rstrip(b"\r\n").decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name}, line {number}: byte {error.start + 1} (0x{line[error.start]:02x}) is not UTF-8. "
                "Convert the file, for example with `iconv -f ISO-8859-1 -t UTF-8`."
            ) from error


def _open(path: Path | None, mode: str, standard: TextIO) -> AbstractContextManager[BinaryIO]:
    """Open a file, or take a standard stream, which is left open."""
    if path is None:
        return nullcontext(standard.buffer)
    try:
        return cast("BinaryIO", path.open(mode))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}. Check --input and --output.") from error
