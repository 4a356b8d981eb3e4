"""The readers `json` and `jsonl`: a record is an object, on a line of its own or in an array."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

from seqtrain.api import DataError
from seqtrain_text.files import MAX_LINE, text_blocks
from seqtrain_text.records import Row, shorten

_BLANKS = re.compile(r"[ \t\r\n]*")
_NEAR_THE_END = 12  # characters: what the longest of JSON's words and escapes may lack


@final
@dataclass(frozen=True)
class JSONObjects:
    """
    Reads objects: those of an array, or of several, and those that stand one after the other, as in JSON lines.

    A text in the place of an object is the record that has it as `text`.

    Args:
        config: nothing is known of it.
    """

    config: object = None

    packed: ClassVar[bool] = True

    def __call__(self, path: Path) -> Iterator[Row]:
        """
        Yield the objects of a file.

        Raises:
            DataError: it cannot be read, is not JSON, or has no objects.
        """
        source = _Source(path)
        is_empty = True
        while opening := source.next_char():
            for value, line in source.array() if opening == "[" else source.single():
                is_empty = False
                yield _row(value, line, path)
        if is_empty:
            raise DataError(f"{path} has no rows. Check that it is the right file.")


def _row(value: Any, line: int, path: Path) -> Row:
    if isinstance(value, str):
        return Row({"text": value}, line)
    if not isinstance(value, dict):
        raise DataError(
            f"{path}:{line}: the line holds {shorten(json.dumps(value))}, where an object is expected, such as "
            '{"text": "...", "label": "..."}.'
        )
    return Row(value, line)


class _Source:
    """
    The text of a file as far as it was read, and a place in it.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._blocks = path, text_blocks(path)
        self._text, self._at, self._line = "", 0, 1
        self._line_end = ""  # "\r" in files that have nothing else
        self._decode = json.JSONDecoder().raw_decode

    def next_char(self) -> str:
        """Go to what is not blank; return its first character, or nothing at the end of the file."""
        while True:
            match = _BLANKS.match(self._text, self._at)
            assert match is not None
            self._go_to(match.end())
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read():
                return ""

    def single(self) -> Iterator[tuple[Any, int]]:
        """Yield the value that begins here, and its line."""
        line = self._line
        yield self._value(), line

    def array(self) -> Iterator[tuple[Any, int]]:
        """Yield the elements of the array that begins here, each with its line."""
        self._go_to(self._at + 1)
        if self.next_char() == "]":
            self._go_to(self._at + 1)
            return
        following = ","
        while following == ",":
            self.next_char()
            if self._at < len(self._text) and self._text[self._at] == "[":
                raise self._refused("an array within an array, where objects are expected")
            yield from self.single()
            following = self.next_char()
            if following not in (",", "]"):
                raise self._refused(
                    "no comma and no end of the array after an object" if following else "it ends within an array"
                )
            self._go_to(self._at + 1)

    def _value(self) -> Any:
        """Return the value that begins here, and go behind it."""
        while True:
            try:
                value, stop = self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                refused = self._refused(error.msg, error.pos)  # before more is read, which moves places
                if not (self._may_lack_more(error) and self._read()):
                    raise refused from error
            except (ValueError, RecursionError) as error:  # a number of thousands of digits; nesting
                raise self._refused(str(error)) from error
            else:
                self._go_to(stop)
                return value

    def _may_lack_more(self, error: json.JSONDecodeError) -> bool:
        if len(self._text) - self._at > MAX_LINE:
            raise self._refused(f"an object of more than {MAX_LINE:,} characters")
        return error.msg.startswith("Unterminated") or error.pos >= len(self._text) - _NEAR_THE_END

    def _read(self) -> bool:
        """Read on, twice as much as there is; say whether there was anything."""
        pieces = [self._text[self._at :]]
        wanted = len(pieces[0]) + 1
        while wanted > 0 and (block := next(self._blocks, "")):
            pieces.append(block)
            wanted -= len(block)
        if not self._line_end and len(pieces) > 1:
            self._line_end = "\r" if "\r" in pieces[1] and "\n" not in pieces[1] else "\n"
        self._text, self._at = "".join(pieces), 0
        return len(pieces) > 1

    def _go_to(self, place: int) -> None:
        self._line += self._text.count(self._line_end, self._at, place) if self._line_end else 0
        self._at = place

    def _refused(self, what: str, place: int | None = None) -> DataError:
        start = self._at if place is None else place
        near = self._text[start : start + 20]
        found = f"{what}, at {shorten(near)}" if near else f"{what}, at the end of the file"
        return DataError(f"{self._path}:{self._line}: the line is not JSON ({found}). Mend or remove it.")
