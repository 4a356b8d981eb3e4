"""Encodings of text files: which one the first bytes tell, and what is wrong with a file that is not in UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from seqtrain.api import DataError
from seqtrain_text.packed import peek

SAMPLE = 1 << 12  # bytes
_MARKS = (  # those of UTF-32 first: one begins like that of UTF-16
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32 (little-endian)"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32 (big-endian)"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16 (little-endian)"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16 (big-endian)"),
)
_OTHER_FILES = (
    (b"PK\x03\x04", "a ZIP archive, as files of Excel are too", "Unpack it, or save the sheet as CSV in UTF-8"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a file of an old Microsoft Office", "Save it as CSV or text in UTF-8"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it"),
    (b"%PDF-1.", "a PDF file", "Extract its text"),
)
_WESTERN_SIGNS = frozenset("‘’“”‚„–—…«»¡¿§°·€£©®´¨ºª \u00a0\u00ad")  # noqa: RUF001 - they are meant


def as_utf8(blocks: Iterator[bytes], path: Path) -> tuple[Iterator[bytes], str | None]:
    """
    Bring a text into UTF-8 without a byte order mark, whichever of the Unicode encodings its mark tells.

    Returns:
        The text in blocks, and the name of its encoding; None where it has no mark, and so should be UTF-8.

    Raises:
        DataError: its first bytes are those of UTF-16 without a mark, or of no text at all. Blocks that are not what
            the mark promises raise it when they are met.
    """
    head, blocks = peek(blocks, SAMPLE)
    for magic, what, advice in _OTHER_FILES:
        if head.startswith(magic):
            raise DataError(f"{path} is {what}, and no text. {advice}.")
    for mark, encoding, name in _MARKS:
        if head.startswith(mark):
            blocks = _without(mark, blocks)
            return (blocks if encoding == "utf-8" else _transcoded(blocks, encoding, name, path)), name
    if guessed := _unmarked(head[:SAMPLE]):
        raise DataError(
            f"{path} looks like {guessed} without a byte order mark, which would tell it for sure. Text must be UTF-8; "
            f"convert it: iconv -f {guessed} -t UTF-8 IN > OUT"
        )
    return blocks, None


def not_utf8(line: bytes, place: int, offset: int, reason: str) -> str:
    """
    Say which byte of a line cannot be decoded, and what the line may be instead.

    Args:
        line: the line, or as much of it as is at hand.
        place: of the byte in that.
        offset: of the byte in the whole line.
        reason: why not.
    """
    return f"byte 0x{line[place]:02x} at offset {offset} of the line is not UTF-8 ({reason}). {_advice(line)}"


def _without(mark: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    return filter(None, chain((next(blocks)[len(mark) :],), blocks))


def _transcoded(blocks: Iterator[bytes], encoding: str, name: str, path: Path) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    number = 1
    for block in chain(blocks, (b"",)):
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            number += error.object[: error.start].decode(encoding).count("\n")
            raise DataError(
                f"{path}:{number}: the byte order mark says {name}, but here is none ({error.reason}). "
                "Copy the file again, or save it as UTF-8."
            ) from error
        number += text.count("\n")
        yield text.encode()


def _unmarked(sample: bytes) -> str | None:
    """Return the name of an encoding of 2 or 4 bytes a character, if most characters are ASCII in it."""
    if len(sample) < 8 or b"\0" not in sample:
        return None
    length = len(sample) // 4 * 4
    zeros = [sample[place:length:4].count(0) * 4 / length for place in range(4)]
    for name, (low, second, third, fourth) in (("UTF-32LE", zeros), ("UTF-32BE", zeros[::-1])):
        if fourth == third == 1 and second > 0.5 and low < 0.5:
            return name
    for name, often, never in (("UTF-16LE", zeros[1::2], zeros[0::2]), ("UTF-16BE", zeros[0::2], zeros[1::2])):
        if sum(often) > 1 and sum(never) < 0.1:
            return name
    return None


def _advice(line: bytes) -> str:
    if b"\0" in line:
        return "The file looks like UTF-16; convert it: iconv -f UTF-16LE (or UTF-16BE) -t UTF-8 IN > OUT"
    if _num_high(line.decode(errors="ignore").encode()) * 2 > _num_high(line):
        return "The other letters of the line are, so it is damaged there: mend or remove the line."
    if _is_western(line):
        return "Text must be UTF-8; if it is Latin-1, convert it: iconv -f latin1 -t utf-8 IN > OUT"
    return (
        "Text must be UTF-8. Find out what this is in (`file FILE` guesses), and convert it: "
        "iconv -f ENCODING -t utf-8 IN > OUT"
    )


def _num_high(line: bytes) -> int:
    """Count the bytes that are not ASCII."""
    return sum(byte >= 0x80 for byte in line)


def _is_western(line: bytes) -> bool:
    """Say whether a line may be text in Latin-1, or in what Windows makes of it."""
    text = line.decode("cp1252", errors="replace")
    foreign = [char for char in text if not char.isascii()]
    return (
        all(char.isalpha() or char in _WESTERN_SIGNS for char in foreign)
        and all(char.isprintable() or char in "\t\r\n" for char in text if char.isascii())
        and len(foreign) * 2 <= len("".join(text.split())) + 2
    )
