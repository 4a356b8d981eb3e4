"""Tables in files: TSV, CSV and JSONL, plain or `.gz`, row by row, each with its place in the file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, final

from seqtrain.api import DataError
from seqtrain_text.files import iter_lines

SHOWN = 40  # characters of a cell in a message
_FORMATS = {".tsv": "tsv", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_REMEDIES = {
    "tsv": "Take out tabs within texts, or write the file as CSV or JSONL",
    "csv": "Put cells that hold commas into quotes",
}


@final
@dataclass(frozen=True)
class Table:
    """
    A file of rows with named columns.

    Lines with nothing in them are no rows. TSV knows no quotes: a cell is what stands between tabs.

    Args:
        path: the file.
        format: "tsv", "csv" or "jsonl", or "auto" to go by the file's name.
        columns: names of the columns of a TSV or CSV file whose first line is a row already; None: it names them.
    """

    path: Path
    format: str = "auto"
    columns: tuple[str, ...] | None = None

    def rows(self, wanted: Mapping[str, str]) -> Iterator[tuple[int, list[Any]]]:
        """
        Yield for each row the line it begins on, from 1, and its cells in these columns.

        Cells of TSV and CSV are texts, those of JSONL anything.

        Args:
            wanted: names of columns, by the setting that names each.

        Raises:
            DataError: the file cannot be read, is not of its format, or lacks a column.
        """
        format_ = self._format()
        rows = self._objects(wanted) if format_ == "jsonl" else self._delimited(format_, wanted)
        is_empty = True
        for row in rows:
            is_empty = False
            yield row
        if is_empty:
            raise DataError(f"{self.path} has no rows. Check that it is the right file.")

    def _format(self) -> str:
        if self.format != "auto":
            return self.format
        suffix = Path(self.path.name.removesuffix(".gz")).suffix.lower()
        if suffix not in _FORMATS:
            raise DataError(
                f"{self.path}: the name does not tell what the file is, as .tsv, .csv or .jsonl would. "
                "Set task.format=tsv, csv or jsonl."
            )
        return _FORMATS[suffix]

    def _delimited(self, format_: str, wanted: Mapping[str, str]) -> Iterator[tuple[int, list[str]]]:
        rows = _csv_rows(self.path) if format_ == "csv" else _tsv_rows(self.path)
        names = self.columns
        if names is None:
            names = tuple(next(rows, (1, ()))[1])
        places = [self._place(names, setting, name) for setting, name in wanted.items()]
        for number, cells in rows:
            if len(cells) != len(names):
                raise DataError(
                    f"{self.path}:{number}: the row has {_columns(len(cells))}, but the file has {len(names)}: "
                    f"{_shown(names)}. {_REMEDIES[format_]}, or mend the row."
                )
            if number == 1 and tuple(cells) == names:
                raise DataError(
                    f"{self.path}:1: the first line names the columns, as task.columns does. Leave out task.columns."
                )
            yield number, [cells[place] for place in places]

    def _place(self, names: Sequence[str], setting: str, name: str) -> int:
        """Find a column."""
        if names.count(name) == 1:
            return names.index(name)
        if not names:
            raise DataError(f"{self.path} is empty. Check that it is the right file.")
        if name in names:
            raise DataError(f"{self.path}: {names.count(name)} columns are called {shorten(name)}. Rename all but one.")
        raise DataError(
            f"{self.path} has no column {shorten(name)}; its first line names {_shown(names)}.{_guess(name, names)} "
            f"Set task.{setting}=NAME, or, if that line is a row already, name the columns: task.columns=[...]."
        )

    def _objects(self, wanted: Mapping[str, str]) -> Iterator[tuple[int, list[Any]]]:
        for number, line in enumerate(_lines(self.path), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{self.path}:{number}: the line is not JSON ({error}). Mend or remove it.") from error
            if not isinstance(row, dict):
                raise DataError(
                    f"{self.path}:{number}: the line holds {shorten(line)}, where an object is expected, such as "
                    '{"text": "...", "label": "..."}.'
                )
            for setting, name in wanted.items():
                if name not in row:
                    raise DataError(
                        f"{self.path}:{number}: the object has no {shorten(name)}, only {_shown(list(row))}."
                        f"{_guess(name, list(row))} Set task.{setting}=NAME, or add it."
                    )
            yield number, [row[name] for name in wanted.values()]


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file; the mark that some programs put at the beginning of UTF-8 files is left out."""
    lines = iter_lines(path)
    for first in lines:
        yield first.removeprefix("\ufeff")
        yield from lines


def _tsv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(_lines(path), start=1):
        if line:
            yield number, line.split("\t")


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader((line + "\n" for line in _lines(path)), strict=True)
    number = 1
    try:
        for cells in reader:
            if cells:
                yield number, cells
            number = reader.line_num + 1  # a cell in quotes may go over several lines
    except csv.Error as error:
        raise DataError(
            f"{path}:{number}: the row that begins here is not CSV ({error}). Look for a quote that is not closed, and "
            'write a quote within quotes twice: ""; or write the file as JSONL.'
        ) from error


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"


def _shown(names: Sequence[str]) -> str:
    """List names of columns, in quotes, long ones shortened."""
    listed = ", ".join(shorten(name) for name in names[:8])
    return f"{listed} and {len(names) - 8} more" if len(names) > 8 else listed


def shorten(cell: object) -> str:
    """Return a cell, or a name, as a message repeats it; a long one less its end."""
    if isinstance(cell, str):
        return repr(cell if len(cell) <= SHOWN else cell[: SHOWN - 3] + "...")
    text = repr(cell)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def _guess(name: str, names: Sequence[str]) -> str:
    close = get_close_matches(name, names, n=1) or [each for each in names if each.lower() == name.lower()]
    return f" Did you mean {close[0]!r}?" if close else ""
