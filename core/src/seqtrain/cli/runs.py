"""`seqtrain evaluate` and `seqtrain predict`: what can be done with a trained run."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, cast

import click

from seqtrain.cli.errors import let_go_of_stdout
from seqtrain.cli.trained_run import in_workers
from seqtrain.errors import DataError, UsageError

if TYPE_CHECKING:
    from seqtrain.inference.load import TrainedRun
    from seqtrain.task import Task
    from seqtrain.workers.group import WorkerGroup


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
        click.option(
            "--workers",
            type=click.IntRange(min=1),
            default=1,
            metavar="N",
            help="processes on this host that divide the work; the results stay the same. Default: 1.",
        ),
    ):
        command = add(command)
    return command


@click.command()
@run_arguments
@click.option("--split", default=None, metavar="NAME", help="what to measure on. Default: test, else valid.")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object.")
def evaluate(
    run: Path, overrides: Sequence[str], checkpoints: Sequence[str], workers: int, split: str | None, as_json: bool
) -> int:
    """
    Measure a trained RUN on a split.

    KEY=VALUE changes settings for this time, such as task.generation.beam=1 or task.test=PREFIX.
    """

    def measure(trained: TrainedRun, group: WorkerGroup) -> int:
        chosen = _known_split(trained.task, split)
        with group.main_process_first():  # its files are made ready by one, and found by the others
            trained.task.dataset(chosen)
        measures = trained.evaluator.measure(chosen, trained.models)
        if group.is_main:
            _print_measures(run, trained, chosen, measures, as_json=as_json)
        return 0

    return in_workers(measure, run, overrides, checkpoints, workers)


def _known_split(task: Task, split: str | None) -> str:
    from seqtrain.run.results import final_split

    split = split or final_split(task)
    known = ", ".join(task.splits())
    if split is None:
        raise UsageError(f"This run has no test and no validation set, only {known}. Set task.test=PREFIX to add one.")
    if split not in task.splits():
        raise UsageError(f"There is no split {split!r} in this run; it has {known}. Set task.test=PREFIX to add one.")
    return split


def _print_measures(
    run: Path, trained: TrainedRun, split: str, measures: Mapping[str, float], *, as_json: bool
) -> None:
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
    run: Path,
    overrides: Sequence[str],
    checkpoints: Sequence[str],
    workers: int,
    input_file: Path | None,
    output_file: Path | None,
) -> int:
    """
    Predict a line for each input line, in order, with a trained RUN.

    KEY=VALUE changes settings for this time, such as task.generation.beam=1.
    """
    if input_file is not None and output_file is not None and input_file.resolve() == output_file.resolve():
        raise UsageError(f"--input and --output are both {input_file}, which would be lost. Choose another --output.")

    def answer(trained: TrainedRun, group: WorkerGroup) -> int:
        if not group.is_main:  # what it has to do comes from the main worker
            deque(trained.task.predict(trained.models, iter(())), maxlen=0)
            return 0
        lines = _lines(source, str(input_file or "stdin"))
        predictions = trained.task.predict(trained.models, lines)
        try:
            with _open(output_file, "wb", sys.stdout) as sink:
                for prediction in predictions:
                    sink.write(prediction.encode() + b"\n")
                    sink.flush()
        except BrokenPipeError:
            if group.world_size == 1:
                raise
            let_go_of_stdout()
            lines.close()  # there are no more of them, so that all workers come to an end
            deque(predictions, maxlen=0)
            return 1
        return 0

    with _open(input_file, "rb", sys.stdin) as source:
        return in_workers(answer, run, overrides, checkpoints, workers)


def _lines(source: BinaryIO, name: str) -> Generator[str, None, None]:
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
