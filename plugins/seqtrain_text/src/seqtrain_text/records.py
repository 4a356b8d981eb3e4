"""Records that readers take out of files: their fields by name, and where they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, final

from seqtrain.api import DataError

SHOWN = 40  # characters of a cell in a message


class Row(dict[str, Any]):
    """
    A record that knows more of the file it comes from.

    A column name that a file has twice is no key, but among `columns`.

    Args:
        fields: values by name.
        line: it begins on, from 1; None where that is not known, or the file has no lines.
        columns: the names that its file gives to columns; None where every record has names of its own.
        unit: what messages call a record.
    """

    __slots__ = ("columns", "line", "unit")

    def __init__(
        self, fields: Any, line: int | None = None, columns: Sequence[str] | None = None, unit: str = "text"
    ) -> None:
        super().__init__(fields)
        self.line, self.columns, self.unit = line, columns, unit

    def place(self, path: Path, number: int) -> str:
        """Say where record `number` of a file, from 1, is: `x.csv:17`, or `x.parquet, row 17`."""
        return f"{path}, {self.unit} {number}" if self.line is None else f"{path}:{self.line}"


@final
@dataclass(frozen=True)
class Field:
    """
    A field of records, as a task asks for it.

    Args:
        names: of which the first that a record has is taken; `a.b` is b of the object in a, too.
        setting: what names the field, below `task`; for messages.
        advice: what else may be done where the field is missing, as a sentence with a blank before it.
    """

    names: tuple[str, ...]
    setting: str = "text_column"
    advice: str = ""

    def value(self, row: Row, path: Path, number: int) -> Any:
        """
        Return what a record has there.

        Raises:
            DataError: it has no such field, or several.
        """
        for name in self.names:
            if name in row:
                return row[name]
        for name in self.names:
            outer, _, inner = name.partition(".")
            if inner and isinstance(within := row.get(outer), Mapping) and inner in within:
                return within[inner]
        raise DataError(self._missing(row, path, number))

    def text(self, row: Row, path: Path, number: int) -> str:
        """
        Return the text that a record has there.

        Raises:
            DataError: it has none, or something else.
        """
        text = self.value(row, path, number)
        if not isinstance(text, str):
            raise DataError(
                f"{row.place(path, number)}: the text is {shorten(text)}, where a text in quotes is expected. "
                f"Check task.{self.setting}, or mend the record."
            )
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:  # half of a pair, as "\ud83d" in JSON can be
                raise DataError(
                    f"{row.place(path, number)}: the text has {text[error.start]!a}, half of a character, as character "
                    f"{error.start + 1}. Mend or remove that text."
                ) from error
        return text

    def _missing(self, row: Row, path: Path, number: int) -> str:
        wanted = " or ".join(map(shorten, self.names))
        if row.columns is None:
            names = list(row)
            where, meant = row.place(path, number), guess(self.names, names)
            return (
                f"{where}: the object has no {wanted}, only {shown(names)}.{meant} "
                f"Set task.{self.setting}=NAME, or add it.{self.advice}"
            )
        for name in self.names:
            if (count := row.columns.count(name)) > 1:
                return f"{path}: {count} columns are called {shorten(name)}. Rename all but one."
        whose = "it has" if row.line is None else "its first line names"
        remedy = "" if row.line is None else ", or, if that line is a row already, name the columns: task.columns=[...]"
        return (
            f"{path} has no column {wanted}; {whose} {shown(row.columns)}.{guess(self.names, row.columns)} "
            f"Set task.{self.setting}=NAME{remedy}.{self.advice}"
        )


TEXT = Field(("text",))


def shown(names: Sequence[str]) -> str:
    """List names of columns, in quotes, long ones shortened."""
    listed = ", ".join(shorten(name) for name in names[:8])
    return f"{listed} and {len(names) - 8} more" if len(names) > 8 else listed or "nothing"


def shorten(cell: object) -> str:
    """Return a cell, or a name, as a message repeats it; a long one less its end."""
    if isinstance(cell, str):
        return repr(cell if len(cell) <= SHOWN else cell[: SHOWN - 3] + "...")
    text = repr(cell)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def guess(wanted: Sequence[str], names: Sequence[str]) -> str:
    """Say which of the names may be meant."""
    for name in wanted:
        close = get_close_matches(name, names, n=1) or [each for each in names if each.lower() == name.lower()]
        if close:
            return f" Did you mean {close[0]!r}?"
    return ""
