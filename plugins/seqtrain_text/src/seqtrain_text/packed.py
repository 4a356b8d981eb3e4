"""Packed files: which format the first bytes tell, and what is in them."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, cast

from seqtrain.api import DataError

BLOCK = 1 << 20  # bytes of a file, or of what is in it, that are handled at a time
ZSTD_INPUT = 1 << 12  # bytes: zstandard unpacks all that it is given, and a byte may stand for 32 KiB


class Decompressor(Protocol):
    """Unpacks one member of a file, as those of `bz2` and `lzma` do."""

    @property
    def eof(self) -> bool:
        """The member has ended."""
        ...

    @property
    def needs_input(self) -> bool:
        """Nothing more comes of what it was given."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What it was given beyond the end."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Unpack up to so many bytes."""
        ...


class _Gzip:
    """A `zlib` decompressor with the methods of the others; it checks the sums that gzip adds."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class _Zstandard:
    """A decompressor of the package `zstandard` with the methods of the others; it knows no limit."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._rest = b""

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def needs_input(self) -> bool:
        return not self._rest

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data) + self._rest

    def decompress(self, data: bytes, max_length: int) -> bytes:
        data = self._rest + data
        self._rest = data[ZSTD_INPUT:]
        return bytes(self._inner.decompress(data[:ZSTD_INPUT]))


def _new_zstd() -> Decompressor:
    try:
        from compression.zstd import ZstdDecompressor  # noqa: PLC0415 - Python 3.14 and later
    except ImportError:
        import zstandard  # noqa: PLC0415 - an optional package

        return _Zstandard(zstandard.ZstdDecompressor().decompressobj())
    return cast("Decompressor", ZstdDecompressor())


def _zstd_errors() -> tuple[type[Exception], ...]:
    try:
        from compression.zstd import ZstdError  # noqa: PLC0415 - as above
    except ImportError:
        from zstandard import ZstdError  # noqa: PLC0415 - as above
    return (ZstdError,)


@dataclass(frozen=True)
class Packing:
    """
    A format of packed files.

    Args:
        name: as messages call it.
        suffix: which the names of such files usually have.
        magic: what each member begins with, any of these.
        new: makes a decompressor of one member.
        errors: what that raises on damaged data.
    """

    name: str
    suffix: str
    magic: tuple[bytes, ...]
    new: Callable[[], Decompressor]
    errors: Callable[[], tuple[type[Exception], ...]]


PACKINGS = (
    Packing("gzip", ".gz", (b"\x1f\x8b\x08",), _Gzip, lambda: (zlib.error,)),
    # "BZh" and a digit may begin a text; these six bytes more, of a block or of the end, do not.
    Packing(
        "bzip2",
        ".bz2",
        tuple(b"BZh%d" % level + mark for level in range(1, 10) for mark in (b"1AY&SY", b"\x17rE8P\x90")),
        bz2.BZ2Decompressor,
        lambda: (OSError, ValueError),
    ),
    Packing("xz", ".xz", (b"\xfd7zXZ\0",), lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ), lambda: (lzma.LZMAError,)),
    Packing("zstd", ".zst", (b"\x28\xb5\x2f\xfd",), _new_zstd, _zstd_errors),
)
SUFFIXES = tuple(packing.suffix for packing in PACKINGS)


def peek(blocks: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes, fewer only where there are no more, and all blocks once more."""
    head = b""
    while len(head) < size and (block := next(blocks, b"")):
        head += block
    return head, chain([head] if head else [], blocks)


def packing_of(head: bytes) -> Packing | None:
    """Return the format that a file with these first bytes is packed in: 10 of them, or the whole file."""
    for packing in PACKINGS:
        is_cut = len(head) > 2 and any(magic.startswith(head) for magic in packing.magic)
        if is_cut or head.startswith(packing.magic):
            return packing
    return None


def unpacked(blocks: Iterator[bytes], packing: Packing, path: Path) -> Iterator[bytes]:
    """
    Yield what is in a packed file, `BLOCK` bytes at most at a time; several members are one text.

    Raises:
        DataError: the file is damaged or not whole, or the package that unpacks it is not installed.
    """
    errors: tuple[type[Exception], ...] = (EOFError,)
    try:
        errors += packing.errors()
        rest = next(blocks, b"")
        while rest:
            rest = yield from _member(rest, blocks, packing)
            while not (rest := rest.lstrip(b"\0")) and (block := next(blocks, b"")):  # members may be padded
                rest = block
            if rest and not rest.startswith(packing.magic):
                rest += next(blocks, b"")  # the block may end within the first bytes
                if not rest.startswith(packing.magic):
                    raise EOFError("after its end come bytes that are no further part")
    except ImportError as error:
        raise DataError(
            f"{path} is packed by zstd, which this Python cannot unpack. Install the package that does: "
            f"`pip install zstandard`; or unpack the file: `zstd -d {path.name}`."
        ) from error
    except errors as error:
        raise DataError(
            f"{path} is not a whole {packing.name} file: {error}. Copy it again, or unpack it and check it."
        ) from error


def _member(data: bytes, blocks: Iterator[bytes], packing: Packing) -> Generator[bytes, None, bytes]:
    """Yield what is in one member, and return what comes after it."""
    inner = packing.new()
    while not inner.eof:
        if out := inner.decompress(data, BLOCK):
            yield out
        data = b""
        if not inner.eof and inner.needs_input and not (data := next(blocks, b"")):
            raise EOFError("it ends too early")
    return inner.unused_data
