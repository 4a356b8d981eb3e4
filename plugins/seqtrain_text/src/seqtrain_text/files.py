"""Text files: where they are, their lines, and what is wrong with them."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO

from seqtrain.api import DataError

READ_SIZE = 1 << 20  # bytes


@dataclass(frozen=True)
class TextScan:
    """
    What one pass over a file tells.

    Args:
        sha256: hash of the uncompressed content, in hexadecimal.
        count: lines, a last one without line end included; or texts, where a text is no line.
    """

    sha256: str
    count: int


def find_text(prefix: str, suffix: str, *, packed: bool = True) -> Path:
    """
    Find `PREFIX.SUFFIX` or, where packed files are wanted too, `PREFIX.SUFFIX.gz`; the plain one where there are both.

    Raises:
        DataError: neither is there.
    """
    plain = Path(f"{prefix}.{suffix}")
    return _find(plain, packed=packed, advice="check the prefix and the language")


def find_file(name: str, *, packed: bool = True) -> Path:
    """
    Find the text file `NAME` or, where packed files are wanted too, `NAME.gz`; the plain one where there are both.

    Raises:
        DataError: neither is there.
    """
    plain = Path(name)
    if plain.is_dir():
        raise DataError(f"{plain} is a folder. Name the text files in it, such as {plain / 'train.txt'}.")
    return _find(plain, packed=packed, advice="check the path")


def _find(plain: Path, *, packed: bool, advice: str) -> Path:
    gz = plain.with_name(plain.name + ".gz")
    for path in (plain, gz) if packed else (plain,):
        if path.is_file():
            return path
    tried = f"{plain} or {gz.name} beside it" if packed else plain
    raise DataError(f"No text file {tried}. {_what_is_there(plain, advice)}")


def _what_is_there(path: Path, advice: str) -> str:
    """Say which similar files the folder holds, or that there is no such folder."""
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {folder.absolute()}; check the path."
    names = sorted(each.name for each in folder.iterdir() if each.is_file())
    similar = [name for name in names if name.startswith(f"{path.stem}.")]
    similar = similar or get_close_matches(path.name, names, n=5)
    if not similar:
        return f"Nothing in {folder.absolute()} has a similar name; {advice}."
    return f"That folder has {', '.join(similar[:8])}; {advice}."


def iter_lines(path: Path) -> Iterator[str]:
    r"""
    Yield the lines of a UTF-8 file, plain or `.gz`, without their ends.

    Lines end at the byte `\n` and nowhere else, so that line numbers agree with other tools. One `\r` before it
    belongs to the line end. Every other character is kept, a no-break space or U+2028 for instance.

    Raises:
        DataError: the file cannot be read, or a line is not UTF-8.
    """
    with open_text(path) as file:
        number = 0
        try:
            for line in file:
                number += 1
                yield line.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise _not_utf8(path, number, error) from error


def scan_text(path: Path) -> TextScan:
    """
    Hash a file's uncompressed content and count its lines.

    Raises:
        DataError: the file cannot be read.
    """
    content = hashlib.sha256()
    num_lines = 0
    block = b"\n"
    with open_text(path) as file:
        while following := file.read(READ_SIZE):
            block = following
            content.update(block)
            num_lines += block.count(b"\n")
    return TextScan(content.hexdigest(), num_lines + (not block.endswith(b"\n")))


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file's uncompressed content, in hexadecimal."""
    return scan_text(path).sha256


def count_lines(path: Path) -> int:
    """Count a file's lines, a last one without line end included."""
    return scan_text(path).count


@contextmanager
def open_text(path: Path) -> Iterator[BinaryIO]:
    """
    Open a file for reading bytes, unpacked where its name ends in `.gz`.

    Raises:
        DataError: from opening or, inside the block, from reading.
    """
    try:
        with path.open("rb") as raw:
            if path.suffix == ".gz":
                # Reading lines from a GzipFile itself is several times slower.
                with gzip.GzipFile(fileobj=raw) as unpacked, io.BufferedReader(unpacked, READ_SIZE) as file:
                    yield file
            else:
                yield raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path} is not a whole gzip file: {error}. Copy it again, or unpack it and check it."
        ) from error
    except OSError as error:
        raise DataError(
            f"Cannot read {path}: {error.strerror or error}. Check the path and its permissions."
        ) from error


def _not_utf8(path: Path, number: int, error: UnicodeDecodeError) -> DataError:
    """Point at the byte that cannot be decoded."""
    return DataError(
        f"{path}:{number}: byte 0x{error.object[error.start]:02x} at offset {error.start} of the line is not UTF-8 "
        f"({error.reason}). Text must be UTF-8; if it is Latin-1, convert it: iconv -f latin1 -t utf-8 IN > OUT"
    )
