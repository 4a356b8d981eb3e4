"""Text files: where they are, their lines, and what is wrong with them."""

from __future__ import annotations

import codecs
import hashlib
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from itertools import chain
from pathlib import Path

from seqtrain.api import DataError
from seqtrain_text.encodings import as_utf8, not_utf8
from seqtrain_text.packed import BLOCK, SUFFIXES, packing_of, peek, unpacked

logger = logging.getLogger(__name__)

READ_SIZE = BLOCK
MAX_LINE = 64 << 20  # characters of a line, or of whatever else is read as one


@dataclass(frozen=True)
class TextScan:
    """
    What one pass over a file tells.

    Args:
        sha256: hash of the text in UTF-8, unpacked and without byte order mark, in hexadecimal.
        count: lines, a last one without line end included; or texts, where a text is no line.
    """

    sha256: str
    count: int


def find_text(prefix: str, suffix: str, *, packed: bool = True) -> Path:
    """
    Find `PREFIX.SUFFIX` or, where packed files are wanted too, `PREFIX.SUFFIX.gz`, `.bz2`, `.xz` or `.zst`.

    The plain one is taken where there are both.

    Raises:
        DataError: none is there.
    """
    plain = Path(f"{prefix}.{suffix}")
    return _find(plain, packed=packed, advice="check the prefix and the language")


def find_file(name: str, *, packed: bool = True) -> Path:
    """
    Find the text file `NAME` or, where packed files are wanted too, `NAME.gz`, `.bz2`, `.xz` or `.zst`.

    The plain one is taken where there are both.

    Raises:
        DataError: none is there.
    """
    plain = Path(name)
    if existing(plain, packed=False) is None and plain.is_dir():
        raise DataError(f"{plain} is a folder. Name the text files in it, such as {plain / 'train.txt'}.")
    return _find(plain, packed=packed, advice="check the path")


def existing(plain: Path, *, packed: bool = True) -> Path | None:
    """
    Return a file or, where packed files are wanted too, a packed one beside it; None where there is neither.

    Raises:
        DataError: the path is of no use.
    """
    suffixes = ("", *SUFFIXES) if packed and plain.name else ("",)
    try:
        return next((path for suffix in suffixes if (path := Path(f"{plain}{suffix}")).is_file()), None)
    except OSError as error:  # such as a name that is too long
        raise DataError(f"Cannot look for {plain}: {error.strerror or error}. Check the path.") from error


def name_suffix(path: Path) -> str:
    """Return how a file's name ends, that it is packed left aside: `.csv` of `x.CSV.gz`."""
    name = path.name.lower()
    packed = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")
    return Path(name.removesuffix(packed)).suffix


def _find(plain: Path, *, packed: bool, advice: str) -> Path:
    found = existing(plain, packed=packed)
    if found is not None:
        return found
    tried = f"{plain} or {plain.name}.gz, .bz2, .xz or .zst beside it" if packed else plain
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
    Yield the lines of a text file, without their ends; see `utf8_blocks` for what it may be packed and encoded in.

    Lines end at `\n` and nowhere else, so that line numbers agree with other tools. One `\r` before it belongs to the
    line end. Every other character is kept, a no-break space or U+2028 for instance.

    Raises:
        DataError: the file cannot be read, or a line is not UTF-8, or is longer than `MAX_LINE`.
    """
    for lines in _line_lists(path, "\n"):
        if any("\r" in line for line in lines):
            yield from (line.removesuffix("\r") for line in lines)
        else:
            yield from lines


def split_lines(path: Path, end: str) -> Iterator[str]:
    """Yield the lines of a text file that end in `end`, without that; otherwise as `iter_lines`."""
    for lines in _line_lists(path, end):
        yield from lines


def _line_lists(path: Path, end: str) -> Iterator[list[str]]:
    number = 1
    pending: list[str] = []
    for text in text_blocks(path):
        lines = text.split(end)
        if len(lines) > 1:
            lines[0] = "".join((*pending, lines[0]))
            pending = []
        pending.append(lines.pop())
        yield lines
        number += len(lines)
        if sum(map(len, pending)) > MAX_LINE:
            raise DataError(
                f"{path}:{number}: the line has more than {MAX_LINE:,} characters, the most that are read as one. "
                "Check that it is the right file, and that its lines end in line feeds; or cut it into lines."
            )
    if last := "".join(pending):
        yield [last]


def text_blocks(path: Path) -> Iterator[str]:
    """
    Yield the text of a file, some characters at a time; see `utf8_blocks`.

    Raises:
        DataError: likewise; or it is not UTF-8. What is before the place that is not comes first.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    num_lines = before = line_start = 0  # `before`: bytes of earlier blocks
    for block in chain(utf8_blocks(path), (b"",)):
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            good = error.object[: error.start]
            yield good.decode()
            start = good.rfind(b"\n") + 1
            line = error.object[start:].split(b"\n", 1)[0]
            offset = (
                error.start - start if start else before - len(error.object) + len(block) + error.start - line_start
            )
            what = not_utf8(line, error.start - start, offset, error.reason)
            number = num_lines + good.count(b"\n") + 1
            raise DataError(f"{path}:{number}: {what}{_misnamed(path)}") from error
        if text:
            yield text
        num_lines += block.count(b"\n")
        line_start = before + block.rfind(b"\n") + 1 if b"\n" in block else line_start
        before += len(block)


def scan_text(path: Path) -> TextScan:
    """
    Hash a file's text and count its lines.

    Raises:
        DataError: the file cannot be read.
    """
    content = hashlib.sha256()
    num_lines = 0
    last = b"\n"
    for block in utf8_blocks(path):
        content.update(block)
        num_lines += block.count(b"\n")
        last = block[-1:] or last
    return TextScan(content.hexdigest(), num_lines + (last != b"\n"))


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file's text in UTF-8, in hexadecimal."""
    return scan_text(path).sha256


def count_lines(path: Path) -> int:
    """Count a file's lines, a last one without line end included."""
    return scan_text(path).count


def utf8_blocks(path: Path) -> Iterator[bytes]:
    """
    Yield a text in UTF-8, some bytes at a time.

    What the file is, its first bytes tell, whatever its name: packed by gzip, bzip2, xz or zstd, or plain; and in
    UTF-8, or, with a byte order mark, in UTF-16 or UTF-32. The mark is left out. What is not plain UTF-8 is logged.

    Raises:
        DataError: the file cannot be read, is damaged, or is none of these. That it is UTF-8 is not checked.
    """
    head, blocks = peek(_file_blocks(path), 10)
    packing = packing_of(head)
    if packing is not None:
        blocks = unpacked(blocks, packing, path)
    blocks, encoding = as_utf8(blocks, path)
    told = [*([f"packed by {packing.name}"] if packing else []), *([f"in {encoding}"] if encoding else [])]
    if packing is None and path.suffix in SUFFIXES:
        told.append("not packed, although its name says so")
    if told:
        _tell(path, " and ".join(told))
    yield from filter(None, blocks)


def first_bytes(path: Path) -> bytes:
    """
    Return how a file begins, as it is: 16 bytes.

    Raises:
        DataError: the file cannot be read.
    """
    return next(_file_blocks(path, 16), b"")


def _file_blocks(path: Path, size: int = BLOCK) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while block := file.read(size):
                yield block
    except OSError as error:
        raise DataError(
            f"Cannot read {path}: {error.strerror or error}. Check the path and its permissions."
        ) from error


@lru_cache(maxsize=1000)
def _tell(path: Path, what: str) -> None:
    """Log what a file is, once."""
    logger.info("%s is %s", path, what)


def _misnamed(path: Path) -> str:
    """Say that a file's name promises a packed one, which it is not."""
    with suppress(DataError):
        if path.suffix in SUFFIXES and packing_of(first_bytes(path)) is None:
            return f" Nor is it packed, as its name {path.name} says: perhaps its beginning is damaged."
    return ""
