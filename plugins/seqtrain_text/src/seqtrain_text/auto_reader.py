"""The reader `auto`: which of the others a file is for, by its first bytes and its name."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, final

from seqtrain.api import Reader
from seqtrain_text.arrow_reader import FILE_MARK, ArrowRows
from seqtrain_text.delimited import Delimited, guess_separator
from seqtrain_text.files import first_bytes, name_suffix, text_blocks
from seqtrain_text.json_reader import JSONObjects
from seqtrain_text.readers import Lines
from seqtrain_text.table_options import TableOptions

logger = logging.getLogger(__name__)

_TEXT_FORMATS = {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".json": "json", ".jsonl": "json", ".ndjson": "json"}
_PARQUET_MARK = b"PAR1"
_STREAM_MARK = b"\xff\xff\xff\xff"
_JSON = re.compile(r'\s*(\{\s*["}]|\[\s*[{"\]])')


@final
@dataclass(frozen=True)
class Auto:
    """
    Reads any file that one of the other readers of this package can.

    Args:
        config: nothing is known of it.
        options: see `TableOptions`.
    """

    config: object = None
    options: TableOptions = field(default_factory=TableOptions)

    packed: ClassVar[bool] = True

    def with_options(self, options: TableOptions) -> Auto:
        """Return the same reader with options."""
        return replace(self, options=options)

    def __call__(self, path: Path) -> Iterator[str | Mapping[str, Any]]:
        """
        Yield the records of a file.

        Raises:
            DataError: it cannot be read, or is not what it looks like.
        """
        return iter(self.choose(path)(path))

    def choose(self, path: Path, *, is_table: bool = False) -> Reader:
        """
        Return the reader for a file; another than `lines` is logged.

        Args:
            path: the file.
            is_table: it is a table even if its name does not say so.

        Raises:
            DataError: the file cannot be read.
        """
        reader, name = self._choose(path, is_table=is_table)
        if not isinstance(reader, Lines):
            _tell(path, name)
        return reader

    def _choose(self, path: Path, *, is_table: bool) -> tuple[Reader, str]:
        """Return the reader for a file, and what the log calls its format."""
        head = first_bytes(path)
        if head.startswith(_PARQUET_MARK) and head[4:5] in (b"\x15", b""):
            return ArrowRows(is_parquet=True), "Parquet"
        if head.startswith((FILE_MARK, _STREAM_MARK)):
            return ArrowRows(), "Arrow"
        name = self._text_format(path, _TEXT_FORMATS.get(name_suffix(path)), is_table=is_table)
        if name == "lines":
            return Lines(), name
        if name == "json":
            return JSONObjects(), "JSON"
        table = Delimited(options=self.options, is_quoted=name == "csv")
        separator = table.separator(path)
        return table, name.upper() if separator in ",\t" else f"CSV with {separator!r} between cells"

    def _text_format(self, path: Path, by_name: str | None, *, is_table: bool) -> str:
        if by_name == "json" or (by_name is None and not is_table):
            return by_name or "lines"
        head = next(text_blocks(path), "")
        if _JSON.match(head):
            return "json"
        if by_name == "csv" or self.options.separator not in (None, "\t"):
            return "csv"
        first = re.split(r"[\r\n]", head.lstrip("\r\n"), maxsplit=1)[0]
        has_others = guess_separator([first]) in first
        return "tsv" if "\t" in first or (by_name == "tsv" and not has_others) else "csv"


@lru_cache(maxsize=1000)
def _tell(path: Path, name: str) -> None:
    """Log which format a file is taken to have, once."""
    logger.info("%s is read as %s", path, name)
