"""`seqtrain predict`, as each of its workers does it."""

from __future__ import annotations

import codecs
import sys
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from seqtrain.checkpoint.atomic_io import naming
from seqtrain.errors import DataError
from seqtrain.inference.load import TrainedRun, load_run
from seqtrain.metrics.console import start_logging
from seqtrain.metrics.streams import STDOUT, discard_stdout
from seqtrain.registry.registry import Registry
from seqtrain.run.folder import RunFolder
from seqtrain.run.request import PredictRequest
from seqtrain.run.results import Results
from seqtrain.workers.group import WorkerGroup

MAX_LINE = 64 << 20  # bytes
OTHER_FILES = (
    ((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "in UTF-16", "iconv -f UTF-16 -t UTF-8"),
    (b"\x1f\x8b", "packed by gzip", "zcat"),
)


def main(request: PredictRequest, registry: Registry, group: WorkerGroup) -> Results:
    """
    Predict a line for each input line, in order; the main worker reads and writes.

    Raises:
        DataError: a file cannot be opened, or a line is not UTF-8.
        CheckpointError: there is no such checkpoint, or it is damaged.
    """
    start_logging("warning", "plain", worker=group.rank)
    source_of = _open(request.input_file, "rb", sys.stdin) if group.is_main else nullcontext()
    with source_of as source:
        folder = RunFolder(request.run_dir)
        run = load_run(folder, registry, request.config, checkpoints=request.checkpoints, group=group)
        if source is None:  # what there is to do comes from the main worker
            deque(run.task.predict(run.models, iter(())), maxlen=0)
            return Results(folder.path, is_told=True)
        lines = read_lines(source, str(request.input_file or "stdin"))
        return Results(folder.path, exit_code=_write(run, lines, request.output_file), is_told=True)


def read_lines(source: BinaryIO, name: str) -> Generator[str, None, None]:
    """
    Yield lines without their ends; a byte order mark before the first is left out.

    Args:
        source: bytes in UTF-8.
        name: what to call it in an error.

    Raises:
        DataError: a line is not UTF-8, longer than `MAX_LINE` bytes, or cannot be read.
    """
    for number, line in enumerate(_readable(source, name), start=1):
        if number == 1:
            for mark, what, remedy in OTHER_FILES:
                if line.startswith(mark):
                    raise DataError(f"{name} is {what}, and lines of UTF-8 are expected. Give them by `{remedy} FILE`.")
            line = line.removeprefix(codecs.BOM_UTF8)  # noqa: PLW2901 - it is no text
            if not line:
                continue
        if len(line) > MAX_LINE:
            raise DataError(
                f"{name}, line {number}: it is longer than {MAX_LINE >> 20} MiB, the most that is read as one. Check "
                "that it is the right file, and that its lines end in line feeds."
            )
        try:
            yield line.rstrip(b"\r\n").decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name}, line {number}: byte {error.start + 1} (0x{line[error.start]:02x}) is not UTF-8. "
                "Find out what it is in (`file FILE` guesses), and convert it: `iconv -f ENCODING -t UTF-8 FILE`."
            ) from error


def _readable(source: BinaryIO, name: str) -> Iterator[bytes]:
    try:
        yield from iter(partial(source.readline, MAX_LINE + 1), b"")
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}. Check --input and --output.") from error


def _write(run: TrainedRun, lines: Generator[str, None, None], output_file: Path | None) -> int:
    """Write a prediction for each line, and return the exit code: 1 if whoever reads them has left."""
    predictions = run.task.predict(run.models, lines)
    try:
        with naming(output_file or Path(STDOUT)), _open(output_file, "wb", sys.stdout) as sink:
            for prediction in predictions:
                sink.write(prediction.encode() + b"\n")
                sink.flush()
    except BrokenPipeError:
        discard_stdout()
        lines.close()  # there are no more of them, so that all workers come to an end
        deque(predictions, maxlen=0)
        return 1
    return 0


def _open(path: Path | None, mode: str, standard: TextIO) -> AbstractContextManager[BinaryIO]:
    """Open a file, or take a standard stream, which is left open."""
    if path is None:
        return nullcontext(standard.buffer)
    try:
        return cast("BinaryIO", path.open(mode))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}. Check --input and --output.") from error
