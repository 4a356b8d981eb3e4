"""The readers `parquet` and `arrow`: a record is a row of named columns. They need the package pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

from seqtrain.api import DataError
from seqtrain_text.records import Row

ROWS_AT_ONCE = 1024
FILE_MARK = b"ARROW1\0\0"


@final
@dataclass(frozen=True)
class ArrowRows:
    """
    Reads rows of Parquet files, or of Arrow's files and streams.

    Args:
        config: nothing is known of it.
        is_parquet: which.
    """

    config: object = None
    is_parquet: bool = False

    packed: ClassVar[bool] = True

    def __call__(self, path: Path) -> Iterator[Row]:
        """
        Yield the rows of a file; their values are what Python has for those of Arrow.

        Raises:
            DataError: it cannot be read, is not of the format, or has no rows; or pyarrow is not installed.
        """
        what = "a Parquet file" if self.is_parquet else "an Arrow file"
        try:
            import pyarrow as pa  # noqa: PLC0415 - an optional package, and slow
        except ImportError as error:
            raise DataError(
                f"{path} is read as {what}, which needs the package pyarrow. Install it: `pip install pyarrow`."
            ) from error
        is_empty = True
        try:
            for batch in _parquet_batches(path) if self.is_parquet else _arrow_batches(path, pa):
                names = tuple(batch.schema.names)
                for row in batch.to_pylist():
                    is_empty = False
                    yield Row(row, None, names, unit="row")
        except OSError as error:  # also what Arrow finds damaged
            raise DataError(
                f"Cannot read {path} as {what}: {error}. Check the path, or copy the file again."
            ) from error
        except (pa.ArrowException, ValueError) as error:
            raise DataError(
                f"{path} is not {what}, or damaged: {error}. Copy it again, or check task.reader."
            ) from error
        if is_empty:
            raise DataError(f"{path} has no rows. Check that it is the right file.")


def parquet(config: object = None) -> ArrowRows:
    """Make the reader `parquet`."""
    return ArrowRows(config, is_parquet=True)


def _parquet_batches(path: Path) -> Iterator[Any]:
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415 - likewise

    with path.open("rb") as source, ParquetFile(source) as file:
        yield from file.iter_batches(batch_size=ROWS_AT_ONCE)


def _arrow_batches(path: Path, arrow: Any) -> Iterator[Any]:
    with path.open("rb") as source:
        if source.read(len(FILE_MARK)) != FILE_MARK:  # a stream has no mark of its own
            source.seek(0)
            with arrow.ipc.open_stream(source) as stream:
                yield from stream
            return
        source.seek(0)
        with arrow.ipc.open_file(source) as file:
            for number in range(file.num_record_batches):
                yield file.get_batch(number)
