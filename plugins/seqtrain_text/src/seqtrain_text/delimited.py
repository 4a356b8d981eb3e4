"""The readers `csv` and `tsv`: a record is a row of cells, and the first line names the columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import ClassVar, final

from seqtrain.api import DataError
from seqtrain_text.files import MAX_LINE, split_lines, text_blocks
from seqtrain_text.records import Row, shown
from seqtrain_text.table_options import TableOptions

SEPARATORS = ("\t", ";", "|", ",")
"""In this order, where rows allow several: a comma in every row may be that of a decimal number."""

_SAMPLE_LINES = 50
_QUOTED = re.compile(r'"(?:[^"]|"")*"?')
_EXCEL_SEPARATOR = re.compile(r'"?sep=(.)"?\r?')  # a first line by which Excel is told


@final
@dataclass(frozen=True)
class Delimited:
    """
    Reads rows of cells. Lines with nothing in them are no rows.

    Args:
        config: nothing is known of it.
        options: see `TableOptions`.
        is_quoted: a cell in quotes may hold separators, quotes and line ends; else quotes are characters like others.
    """

    config: object = None
    options: TableOptions = field(default_factory=TableOptions)
    is_quoted: bool = True

    packed: ClassVar[bool] = True

    def with_options(self, options: TableOptions) -> Delimited:
        """Return the same reader with options."""
        return replace(self, options=options)

    def __call__(self, path: Path) -> Iterator[Row]:
        """
        Yield the rows of a file.

        Raises:
            DataError: it cannot be read, is not of the format, or has no rows.
        """
        separator = self.separator(path)
        rows = _quoted_rows(path, separator) if self.is_quoted else _plain_rows(path, separator)
        names = self.options.columns
        if names is None:
            names = tuple(next(rows, (1, ()))[1])
            if not names:
                raise DataError(f"{path} is empty. Check that it is the right file.")
        unique = [name if names.count(name) == 1 else None for name in names]
        has_doubles = None in unique
        number = 0
        for number, cells in rows:
            if len(cells) != len(names):
                raise self._uneven(path, number, cells, names, separator)
            if number == 1 and tuple(cells) == names:
                raise DataError(
                    f"{path}:1: the first line names the columns, as task.columns does. Leave out task.columns."
                )
            row = Row(zip(unique, cells, strict=True), number, names)
            if has_doubles:
                del row[None]  # type: ignore[arg-type]
            yield row
        if not number:
            named = "" if self.options.columns else f"; its first line names {shown(names)}"
            raise DataError(f"{path} has no rows{named}. Check that it is the right file.")

    def separator(self, path: Path) -> str:
        """Return what is between the cells of a file, judging by its first lines unless it is set."""
        if self.options.separator is not None:
            return self.options.separator
        if not self.is_quoted:
            return "\t"
        lines = [line for line in islice(_lines(path, is_quoted=True), _SAMPLE_LINES) if line.strip()]
        if lines and (told := _EXCEL_SEPARATOR.fullmatch(lines[0].rstrip("\r\n"))):
            return told[1]
        return guess_separator(lines, None if self.options.columns is None else len(self.options.columns))

    def _uneven(self, path: Path, number: int, cells: Sequence[str], names: Sequence[str], separator: str) -> DataError:
        remedy = (
            f"Put cells that hold {_NAMES.get(separator, repr(separator))} into quotes"
            if self.is_quoted
            else "Take out tabs within texts, or write the file as CSV or JSONL"
        )
        return DataError(
            f"{path}:{number}: the row has {_columns(len(cells))}, but the file has {len(names)}: {shown(names)}. "
            f"{remedy}, or mend the row; or set task.separator, if {separator!r} is not what is between cells."
        )


_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def tsv(config: object = None) -> Delimited:
    """Make the reader `tsv`."""
    return Delimited(config, is_quoted=False)


def guess_separator(lines: Sequence[str], num_columns: int | None = None) -> str:
    """
    Return what is between cells, judging by the first lines of a file, ends included; a comma, where nothing tells.

    Args:
        lines: of which the last may be cut, or end within quotes.
        num_columns: if it is known.
    """
    ranked = []
    for order, separator in enumerate(SEPARATORS):
        counts = [len(cells) for cells in _cells(lines, separator) if cells]
        if counts and counts[0] > 1:
            is_even = all(count == counts[0] for count in counts[1:-1])
            ranked.append((counts[0] == num_columns, is_even, counts[0], -order, separator))
    return max(ranked)[-1] if ranked else ","


def _cells(lines: Sequence[str], separator: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(lines, delimiter=separator)
    except csv.Error:
        return  # which whoever reads the file is told


def _lines(path: Path, *, is_quoted: bool) -> Iterator[str]:
    """Yield the lines of a file with their ends; a carriage return ends them where the first line ends in one alone."""
    head = next(text_blocks(path), "")
    if is_quoted:
        head = _QUOTED.sub("", head)
    first = re.search(r"\r\n?|\n", head)
    end = "\r" if first is not None and first[0] == "\r" and first.end() < len(head) else "\n"
    return (line + end for line in split_lines(path, end))


def _plain_rows(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(_lines(path, is_quoted=False), start=1):
        if text := line[:-1].removesuffix("\r"):
            yield number, text.split(separator)


def _quoted_rows(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
    reader = csv.reader(_lines(path, is_quoted=True), delimiter=separator, strict=True)
    number = 1
    try:
        for cells in reader:
            if cells and not (number == 1 and _EXCEL_SEPARATOR.fullmatch(separator.join(cells))):
                yield number, cells
            number = reader.line_num + 1  # a cell in quotes may go over several lines
    except csv.Error as error:
        what = "a line end in a cell without quotes" if "unquoted field" in str(error) else error
        raise DataError(
            f"{path}:{number}: the row that begins here is not CSV ({what}). Look for a quote that is not closed, and "
            'write a quote within quotes twice: ""; or write the file as JSONL.'
        ) from error


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"
