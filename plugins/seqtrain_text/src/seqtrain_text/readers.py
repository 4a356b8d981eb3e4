"""How texts are taken out of a corpus's files: the reader `lines`, and others, held to their contract."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from seqtrain.api import DataError, PluginError, Reader, SeqtrainError
from seqtrain_text.files import TextScan, iter_lines, scan_text


class TextReader(Reader, Protocol):
    """A reader of which more is known, as a corpus and its token stores need it."""

    @property
    def unit(self) -> str:
        """What messages call a text, such as "line"."""
        ...

    @property
    def packed(self) -> bool:
        """Say whether it reads `FILE.gz` in place of `FILE`."""
        ...

    def scan(self, path: Path) -> TextScan:
        """
        Count a file's texts, and hash what they depend on.

        Raises:
            DataError: the file cannot be read.
        """
        ...


class Lines:
    """The reader `lines`: a text is a line of a UTF-8 file, plain or `.gz`; see `iter_lines`."""

    unit = "line"
    packed = True

    def __init__(self, config: object = None) -> None:
        """Take a config, of which there is nothing to know."""

    def __call__(self, path: Path) -> Iterator[str]:
        """Yield the lines of a file."""
        return iter_lines(path)

    def scan(self, path: Path) -> TextScan:
        """Hash the bytes and count the line ends, without decoding anything."""
        return scan_text(path)


class CheckedReader:
    """
    A reader of which only the contract is known: what it yields is checked, and its failures name it.

    Args:
        reader: takes texts out of a file.
        name: its name, for messages.
    """

    unit = "text"
    packed = False

    def __init__(self, reader: Reader, name: str) -> None:
        self._reader, self._name = reader, name

    def __call__(self, path: Path) -> Iterator[str]:
        """
        Yield the texts of a file.

        Raises:
            DataError: the reader refuses the file, it cannot be read, or a text in it is not Unicode.
            PluginError: the reader fails, or yields what is no text.
        """
        try:
            for number, text in enumerate(self._reader(path), start=1):
                self._check(text, path, number)
                yield text
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

    def scan(self, path: Path) -> TextScan:
        """Hash and count the texts themselves, which depend on the reader and its settings as much as on the file."""
        content = hashlib.sha256()
        count = 0
        for count, text in enumerate(self(path), start=1):  # noqa: B007 - the last one is the number of texts
            encoded = text.encode()
            content.update(len(encoded).to_bytes(8, "little"))
            content.update(encoded)
        return TextScan(content.hexdigest(), count)

    def _check(self, text: object, path: Path, number: int) -> None:
        if not isinstance(text, str):
            raise PluginError(
                f"The reader {self._name!r} took {type(text).__name__} out of {path}, where texts are expected. "
                "Choose another task.reader, or tell its author."
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:  # half of a pair, as "\ud83d" in JSON can be
            raise DataError(
                f"{path}, {self.unit} {number}: character {error.start + 1} is {text[error.start]!a}, half of a "
                "character. Mend or remove that text."
            ) from error


def as_text_reader(reader: Reader, name: str) -> TextReader:
    """Return a reader that is ready for a corpus; all but `lines` are checked while they read."""
    return reader if isinstance(reader, Lines) else CheckedReader(reader, name)
