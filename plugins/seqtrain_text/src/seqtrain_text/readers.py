"""How records, and texts in them, are taken out of a corpus's files: the reader `lines`, and what holds for all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeAlias, final, runtime_checkable

from seqtrain.api import ConfigError, DataError, PluginError, Reader, SeqtrainError
from seqtrain_text.arrow_reader import ArrowRows
from seqtrain_text.delimited import Delimited
from seqtrain_text.files import TextScan, iter_lines, scan_text
from seqtrain_text.json_reader import JSONObjects
from seqtrain_text.records import TEXT, Field, Row
from seqtrain_text.table_options import TableOptions


class TextReader(Protocol):
    """Takes the texts of one field out of files, as a corpus and its token stores need it."""

    @property
    def unit(self) -> str:
        """What messages call a text, such as "line"."""
        ...

    @property
    def packed(self) -> bool:
        """Say whether it reads `FILE.gz` and the like in place of `FILE`."""
        ...

    def __call__(self, path: Path, /) -> Iterator[str]:
        """
        Yield the texts of a file in their order, the same at every call.

        Raises:
            DataError: the file cannot be read or is not of the format; the message says where.
        """
        ...

    def scan(self, path: Path) -> TextScan:
        """
        Count a file's texts, and hash what they depend on.

        Raises:
            DataError: the file cannot be read.
        """
        ...

    def place(self, path: Path, number: int) -> str:
        """Say where text `number`, from 1, is: `train.en:17`, or `train.parquet, row 17`."""
        ...

    @property
    def question(self) -> str | None:
        """What `scan` answers, the same for all readers that answer alike; None where that is not known."""
        ...


@runtime_checkable
class ChoosesReader(Protocol):
    """A reader that leaves each file to another one."""

    def choose(self, path: Path, *, is_table: bool = False) -> Reader:
        """
        Return the reader for a file.

        Args:
            path: the file.
            is_table: it is a table even if its name does not say so.

        Raises:
            DataError: the file cannot be read.
        """
        ...


@runtime_checkable
class ReadsTables(Protocol):
    """A reader that can be told of tables what they do not tell themselves."""

    def with_options(self, options: TableOptions) -> Reader:
        """Return the same reader, but one that was told."""
        ...


@runtime_checkable
class ReadsPacked(Protocol):
    """A reader that says whether it reads packed files."""

    @property
    def packed(self) -> bool:
        """Say whether it reads `FILE.gz` and the like in place of `FILE`."""
        ...


@final
class Lines:
    """The reader `lines`: a record is a line of text, as its field `text`; see `iter_lines`."""

    unit = "line"
    packed = True
    question = "lines"

    def __init__(self, config: object = None) -> None:
        """Take a config, of which there is nothing to know."""

    def at(self, path: Path, field: Field = TEXT, *, is_table: bool = False) -> TextReader:
        """Return what reads the texts of a field; all files are alike to it."""
        return self if "text" in field.names else CheckedReader(self, "lines", field)

    def records(self, path: Path) -> Iterator[Row]:
        """Yield the lines as records."""
        return (Row({"text": line}, number) for number, line in enumerate(self(path), start=1))

    def __call__(self, path: Path) -> Iterator[str]:
        """Yield the lines of a file."""
        return iter_lines(path)

    def scan(self, path: Path) -> TextScan:
        """Hash the text and count the line ends, without looking at any line."""
        return scan_text(path)

    def place(self, path: Path, number: int) -> str:
        """Say which line that is."""
        return f"{path}:{number}"


@final
class CheckedReader:
    """
    A reader of which only the contract is known: what it yields is checked, and its failures name it.

    As a `TextReader`, it yields the texts of one field.

    Args:
        reader: takes records out of a file.
        name: its name, for messages.
        field: of the texts.
        is_table: files are tables even if their names do not say so.
    """

    def __init__(self, reader: Reader, name: str, field: Field = TEXT, *, is_table: bool = False) -> None:
        self._reader, self._name, self._field, self._is_table = reader, name, field, is_table
        is_own = isinstance(reader, _TABLES)
        self.packed = isinstance(reader, ReadsPacked) and reader.packed
        self.unit = "row" if is_own else "text"
        self.question = repr((reader, field)) if is_own else None

    def at(self, path: Path, field: Field | None = None, *, is_table: bool = False) -> TextReader:
        """
        Return what reads the texts of a field, or of the own one, in a file; see `ChoosesReader` for `is_table`.

        Raises:
            DataError: the file cannot be read.
        """
        reader, field = self._chosen(path, is_table=is_table), self._field if field is None else field
        return reader.at(path, field) if isinstance(reader, Lines) else CheckedReader(reader, self._name, field)

    def records(self, path: Path) -> Iterator[Row]:
        """
        Yield the records of a file; a text alone is the record that has it as `text`.

        Raises:
            DataError: the reader refuses the file, or it cannot be read.
            PluginError: the reader fails, or yields what is no record.
        """
        reader = self._chosen(path)
        try:
            for record in reader.records(path) if isinstance(reader, Lines) else reader(path):
                yield record if isinstance(record, Row) else self._row(record, path)
        except SeqtrainError:
            raise
        except OSError as error:
            raise DataError(
                f"Cannot read {path}: {error.strerror or error}. Check the path and its permissions."
            ) from error
        except Exception as error:
            raise PluginError(
                f"The reader {self._name!r} failed on {path}: {type(error).__name__}: {error}. "
                "Run with -v to see where it happened, or choose another task.reader."
            ) from error

    def __call__(self, path: Path) -> Iterator[str]:
        """
        Yield the texts of a file.

        Raises:
            DataError: likewise; or a record has no such text, or one that is not Unicode.
            PluginError: likewise.
        """
        for number, row in enumerate(self.records(path), start=1):
            yield self._field.text(row, path, number)

    def scan(self, path: Path) -> TextScan:
        """Hash and count the texts themselves, which depend on the reader and its settings as much as on the file."""
        content = hashlib.sha256()
        count = 0
        for count, text in enumerate(self(path), start=1):  # noqa: B007 - the last one is the number of texts
            encoded = text.encode()
            content.update(len(encoded).to_bytes(8, "little"))
            content.update(encoded)
        return TextScan(content.hexdigest(), count)

    def place(self, path: Path, number: int) -> str:
        """Say where a text is: the file is read up to it, as only its reader knows."""
        row = Row({}, unit=self.unit)
        with suppress(SeqtrainError):  # the file may be gone; whoever asks has something else to tell
            row = next(islice(self.records(path), number - 1, None), row)
        return row.place(path, number)

    def _chosen(self, path: Path, *, is_table: bool = False) -> Reader:
        if isinstance(self._reader, ChoosesReader):
            return self._reader.choose(path, is_table=is_table or self._is_table)
        return self._reader

    def _row(self, record: object, path: Path) -> Row:
        if isinstance(record, str):
            return Row({"text": record})
        if isinstance(record, Mapping):
            return Row(record)
        raise PluginError(
            f"The reader {self._name!r} took {type(record).__name__} out of {path}, where texts are expected, or "
            "records of named fields. Choose another task.reader, or tell its author."
        )


_TABLES = (Delimited, JSONObjects, ArrowRows)
TaskReader: TypeAlias = Lines | CheckedReader


def as_text_reader(
    reader: Reader,
    name: str,
    field: Field = TEXT,
    options: TableOptions | None = None,
    *,
    is_table: bool = False,
) -> TaskReader:
    """
    Return a reader that is ready for a corpus; all but `lines` are checked while they read.

    Args:
        reader: takes records out of files.
        name: its name, for messages.
        field: which of their fields is the text.
        options: what is said of tables.
        is_table: files are tables even if their names do not say so.

    Raises:
        ConfigError: the options are not for this reader.
    """
    if isinstance(reader, ReadsTables) and options is not None:
        reader = reader.with_options(options)
    elif options is not None and (options.columns is not None or options.separator is not None):
        key = "separator" if options.columns is None else "columns"
        raise ConfigError(
            f"task.{key} is for CSV and TSV, and the reader {name!r} is for something else. Leave out task.{key}, or "
            "set task.reader.name=csv or tsv."
        )
    if isinstance(reader, Lines) and "text" in field.names:
        return reader
    return CheckedReader(reader, name, field, is_table=is_table)
