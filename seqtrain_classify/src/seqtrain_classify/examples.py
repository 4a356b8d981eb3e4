"""Examples in tables: a line of text each, and a cell that holds the label."""

from __future__ import annotations

import hashlib
import logging
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, final

from seqtrain.api import DataError
from seqtrain_classify.config import ClassifyConfig
from seqtrain_classify.encoding import PAIR_SEPARATOR
from seqtrain_classify.kind import Kind, Targets
from seqtrain_text.files import TextScan
from seqtrain_text.readers import TaskReader
from seqtrain_text.records import Field

logger = logging.getLogger(__name__)

T = TypeVar("T")
_BLANKS = str.maketrans("\t\n\r", "   ")  # within a text these are no more than blanks


class Example(NamedTuple):
    """
    A record of a table.

    Args:
        number: the line it begins on, from 1; or which record it is, where lines are not known.
        place: says so, with the file.
        text: one line; a pair has `PAIR_SEPARATOR` between its texts.
        label: the cell as it is.
        is_empty: a text has nothing but blanks.
    """

    number: int
    place: str
    text: str
    label: Any
    is_empty: bool


@final
@dataclass(frozen=True)
class ExampleReader:
    """
    Takes examples out of tables.

    Args:
        config: says which columns there are.
        empty: what happens to rows with an empty text: "error", "skip" or "keep".
        reader: takes records out of files.
    """

    config: ClassifyConfig
    empty: str
    reader: TaskReader

    @classmethod
    def of_split(cls, split: str, config: ClassifyConfig, reader: TaskReader) -> ExampleReader:
        """Return what reads a split's tables; only training may leave rows out, or measures could not be compared."""
        return cls(config, config.empty_lines if split == "train" else "keep", reader)

    def all_rows(self, path: Path) -> Iterator[Example]:
        """
        Yield the examples of a table, those that are left out included.

        Raises:
            DataError: the file is not the table that the config describes, or has an empty text and must not.
        """
        first, label, *more = (Field((name,), setting) for setting, name in self.config.wanted.items())
        number = 0
        for number, row in enumerate(self.reader.records(path), start=1):
            place = row.place(path, number)
            texts = [_one_line(each.text(row, path, number)) for each in (first, *more)]
            is_empty = not all(texts)
            if is_empty and self.empty == "error":
                raise DataError(
                    f"{place}: the text is empty. Fill it in or remove the row, or set task.empty_lines=skip."
                )
            cell = label.value(row, path, number)
            yield Example(row.line or number, place, PAIR_SEPARATOR.join(texts), cell, is_empty)
        if not number:
            raise DataError(f"{path} has no rows. Check that it is the right file.")

    def rows(self, path: Path) -> Iterator[Example]:
        """Yield the examples that are used; there is at least one."""
        is_used = False
        for row in self.all_rows(path):
            if self.uses(row):
                is_used = True
                yield row
        if not is_used:
            raise _without_text(path)

    def uses(self, row: Example) -> bool:
        """Say whether an example is not left out."""
        return not row.is_empty or self.empty == "keep"

    def labels(self, path: Path, read: Callable[[Any], T]) -> Iterator[T]:
        """
        Read the labels of a table.

        Args:
            path: the table.
            read: understands a cell, or raises a ValueError that says why it does not.

        Raises:
            DataError: it does not.
        """
        return (read_cell(row, read) for row in self.rows(path))


def read_cell(row: Example, read: Callable[[Any], T]) -> T:
    """Read the label of an example; a ValueError of `read` becomes a DataError that says where."""
    try:
        return read(row.label)
    except ValueError as error:
        raise DataError(f"{row.place}: {error}") from error


def _without_text(path: Path) -> DataError:
    return DataError(f"{path}: every row has an empty text. Check task.text_column.")


def _one_line(text: str) -> str:
    return text.replace("\r\n", "\n").translate(_BLANKS).strip()


@final
@dataclass(frozen=True, kw_only=True)
class ScannedTable:
    """
    What one pass over a table tells; it is also how a token store reads the table's texts.

    Args:
        reader: takes examples out of it.
        targets: of the examples that are used, in their order.
        line_numbers: the lines they begin on, from 1; or which records they are, where lines are not known.
        has_lines: they are known.
        texts: their number, and a hash of their texts.
        num_empty: rows with an empty text, whether they are used or not.
    """

    reader: ExampleReader
    targets: Targets
    line_numbers: array[int]
    has_lines: bool
    texts: TextScan
    num_empty: int = 0

    unit = "row"
    packed = True
    question = None

    def __call__(self, path: Path) -> Iterator[str]:
        """Yield the lines of text."""
        return (row.text for row in self.reader.rows(path))

    def scan(self, path: Path) -> TextScan:
        """Return what the pass told."""
        return self.texts

    def place(self, path: Path, number: int) -> str:
        """Say where text `number`, from 1, is: on which line of the file."""
        line = self.line_numbers[number - 1]
        return f"{path}:{line}" if self.has_lines else f"{path}, row {line}"

    def found(self, used: Mapping[str, Any]) -> dict[str, Any]:
        """Return what was counted in the table, given what was counted in the texts that are used."""
        skipped_steps = self.num_empty if self.reader.empty == "skip" else 0
        more = {name: used[name] + skipped_steps for name in ("lines", "skipped")}
        return {**used, **more, "empty": self.num_empty}


def scan_table(path: Path, reader: ExampleReader, kind: Kind) -> ScannedTable:
    """
    Read a table once, so that all that can be wrong with it is known before any work is done.

    Raises:
        DataError: something is.
    """
    targets, line_numbers, content = kind.new_targets(), array("I"), hashlib.sha256()
    num_empty, first_empty, has_lines = 0, "", True
    for row in reader.all_rows(path):
        has_lines = row.place == f"{path}:{row.number}"
        if row.is_empty:
            num_empty += 1
            first_empty = first_empty or f"{'line' if has_lines else 'row'} {row.number}"
        if reader.uses(row):
            targets.append(read_cell(row, kind.encode))
            line_numbers.append(row.number)
            content.update(row.text.encode())
            content.update(b"\n")
    if num_empty:
        done = "left out" if reader.empty == "skip" else "kept"
        logger.warning(
            "%d rows of %s have an empty text (the first: %s) and were %s", num_empty, path, first_empty, done
        )
    if not len(targets):
        raise _without_text(path)
    return ScannedTable(
        reader=reader,
        targets=targets,
        line_numbers=line_numbers,
        has_lines=has_lines,
        texts=TextScan(content.hexdigest(), len(targets)),
        num_empty=num_empty,
    )
