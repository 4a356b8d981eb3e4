"""Token ids on disk: made once for the same text and tokenizers, and read without holding them in memory."""

from __future__ import annotations

import json
import logging
import mmap
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from seqtrain.api import DataError
from seqtrain_text.alignment import guess_misalignment
from seqtrain_text.binarise import Column, LinePolicy, Progress, binarise
from seqtrain_text.corpus_stats import found, report
from seqtrain_text.files import TextScan
from seqtrain_text.padded import ranges
from seqtrain_text.store_meta import ColumnCounts, StoreMeta, read_meta, write_meta
from seqtrain_text.temporary_folder import temporary_folder
from seqtrain_text.tokenizer import digest

__all__ = ["Column", "LinePolicy", "TokenStore", "build_stores", "log_progress"]

logger = logging.getLogger(__name__)

FORMAT = 1  # raised when rows change: runs that have begun with others are then not resumed
LAYOUT = 2  # raised when the files change, or what is known of them
RELEASE_AFTER = 32 << 20  # bytes of the files that may be in memory
TOUCHED_BY_A_ROW = 128 << 10  # bytes: reading anywhere maps 64 KiB around it, in offsets and in tokens
ROWS_AT_ONCE = RELEASE_AFTER // TOUCHED_BY_A_ROW  # so that no single batch is over it
PROGRESS_EVERY_S = 10.0


def build_stores(
    columns: Sequence[Column], *, cache: Path, policy: LinePolicy, progress: Progress | None = None
) -> list[TokenStore]:
    """
    Binarise text files that agree line by line, or find that it was done before.

    What is made is kept in a folder of `cache` that is named by the content of the files, the tokenizers and the
    policy. It appears there whole or not at all, so several processes may make the same one at once.

    Args:
        columns: one or more files with as many lines each.
        cache: the folder for all that can be made again.
        policy: what happens to empty and over-long lines.
        progress: told how far it is; by default a line is logged now and then.

    Returns:
        A store for each column, row i of one belonging to row i of the others.

    Raises:
        DataError: a file cannot be read or is not as the policy wants it, the numbers of lines differ, or the cache
            cannot be written.
    """
    scans = [column.scan(cache) for column in columns]
    _check_line_counts(columns, scans)
    contents = [(scan.sha256, column.tokenizer.fingerprint) for scan, column in zip(scans, columns, strict=True)]
    key = digest(json.dumps([FORMAT, astuple(policy), contents]).encode())
    folder = cache / f"text-{digest(f'{LAYOUT} {key}'.encode())[:32]}"
    meta = _read_sound_meta(folder)
    if meta is None:
        meta = _build(columns, policy, folder, num_lines=scans[0].count, progress=progress or log_progress())
    report(columns, policy, meta)
    return [
        TokenStore(
            folder,
            index,
            meta,
            place=column.place,
            fingerprint=digest(f"{key} {index}".encode()),
            unit=column.reader.unit,
            found=found(column, policy, meta, meta.columns[index]),
        )
        for index, column in enumerate(columns)
    ]


class TokenStore:
    """
    Rows of token ids, each ended by eos, in memory-mapped files.

    Args:
        folder: where the files are; see `binarise`.
        column: which of its columns this is.
        meta: what is known of the folder.
        place: says where in a text file a line is, for messages.
        fingerprint: a hash that equal rows share.
        unit: what messages call a line.
        found: what was counted in the file.
    """

    def __init__(
        self,
        folder: Path,
        column: int,
        meta: StoreMeta,
        *,
        place: Callable[[int], str],
        fingerprint: str,
        unit: str = "line",
        found: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._place = place
        self.unit, self.found = unit, found
        self.fingerprint = fingerprint
        self.counts: ColumnCounts = meta.columns[column]
        self.num_tokens = self.counts.tokens
        self._maps: list[mmap.mmap] = []
        self._touched = 0  # bytes that may be in memory since the last release
        self._tokens = self._map(folder / f"tokens-{column}.bin", self.counts.dtype)
        self._offsets: NDArray[np.int64] = self._map(folder / f"offsets-{column}.bin", np.int64)
        self._kept_before_skipped: NDArray[np.int64] = self._map(folder / "skipped.bin", np.int64)

    def _map(self, path: Path, dtype: DTypeLike) -> NDArray[Any]:
        """Map a file into memory; an empty one cannot be mapped."""
        with path.open("rb") as file:
            if not path.stat().st_size:
                return np.empty(0, dtype)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._maps.append(mapped)
        return np.frombuffer(mapped, dtype)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def lengths(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the lengths of rows [start, stop), eos included."""
        self._touch((stop - start) * self._offsets.itemsize)
        return np.diff(self._offsets[start : stop + 1])

    def read(self, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return spans of all rows' tokens, one row after the other: [start, start + length) of each."""
        pieces = []
        for first in range(0, len(starts), ROWS_AT_ONCE):
            some = slice(first, first + ROWS_AT_ONCE)
            where = ranges(starts[some], lengths[some])
            self._touch(len(starts[some]) * TOUCHED_BY_A_ROW + len(where) * self._tokens.itemsize)
            pieces.append(self._tokens[where].astype(np.int64))
        return np.concatenate([np.empty(0, np.int64), *pieces])

    def row_at(self, token: int) -> int:
        """Return the row that a token of all rows, counted from 0, is in."""
        self._touch(TOUCHED_BY_A_ROW)
        return int(np.searchsorted(self._offsets, token, side="right")) - 1

    def gather(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the tokens of these rows, one row after the other, and the rows' lengths."""
        pieces = [self._read(indices[start : start + ROWS_AT_ONCE]) for start in range(0, len(indices), ROWS_AT_ONCE)]
        if len(pieces) == 1:
            return pieces[0]
        tokens = [tokens for tokens, _ in pieces]
        lengths = [lengths for _, lengths in pieces]
        return np.concatenate([np.empty(0, np.int64), *tokens]), np.concatenate([np.empty(0, np.int64), *lengths])

    def _read(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        self._touch(len(indices) * TOUCHED_BY_A_ROW)
        starts = self._offsets[indices]
        lengths = self._offsets[indices + 1] - starts
        return self._tokens[ranges(starts, lengths)].astype(np.int64), lengths

    def line_number(self, index: int) -> int:
        """Return the line, from 1, of the text file that a row comes from."""
        return index + 1 + int(np.searchsorted(self._kept_before_skipped, index, side="right"))

    def line_numbers(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the lines, from 1, of the text file that these rows come from."""
        self._touch(len(indices) * TOUCHED_BY_A_ROW)
        return indices + 1 + np.searchsorted(self._kept_before_skipped, indices, side="right")

    def describe(self, index: int) -> str:
        """Return a row's file and line, such as `train.en:17`."""
        return self._place(self.line_number(index))

    def release(self) -> None:
        """Let go of the files' pages; they are read again when needed. The process does not grow with the files."""
        self._touched = 0
        if sys.platform != "win32":
            for mapped in self._maps:
                mapped.madvise(mmap.MADV_DONTNEED)

    def _touch(self, num_bytes: int) -> None:
        """Note that so much is about to be read, and release what was read before when it adds up."""
        if self._touched and self._touched + num_bytes > RELEASE_AFTER:
            self.release()
        self._touched += num_bytes


def _check_line_counts(columns: Sequence[Column], scans: Sequence[TextScan]) -> None:
    """Refuse files that are empty or have different numbers of lines."""
    for column, scan in zip(columns, scans, strict=True):
        if scan.count == 0:
            raise DataError(
                f"{column.path} is empty: it has no {column.reader.unit}s. Check that it is the right file."
            )
        if scan.count != scans[0].count:
            pair = [(scans[0].count, columns[0]), (scan.count, column)]
            (most, longer), (least, shorter) = sorted(pair, key=lambda each: -each[0])
            guess = guess_misalignment(longer.lines(), shorter.lines())
            unit = column.reader.unit
            raise DataError(
                f"{longer.path} has {most} {unit}s but {shorter.path} has {least}; {unit} N of one must be the "
                f"translation of {unit} N of the other. Judging by their lengths, which is a guess, they part at "
                f"{unit} {guess}. Look at both files there, and add or remove {unit}s until they agree."
            )


def _read_sound_meta(folder: Path) -> StoreMeta | None:
    """Return what is known of a folder made before; None where there is none or it is damaged."""
    if not folder.exists():
        return None
    try:
        return read_meta(folder, folder.parent)
    except ValueError as error:
        logger.warning("The binarised text in %s is damaged (%s); making it again", folder, error)
        return None


def _build(
    columns: Sequence[Column], policy: LinePolicy, folder: Path, *, num_lines: int, progress: Progress
) -> StoreMeta:
    """Make a folder under another name, then give it its own."""
    logger.info(
        "Binarising %d %ss of %s", num_lines, columns[0].reader.unit, ", ".join(str(column.path) for column in columns)
    )
    with temporary_folder(folder.parent) as temporary:
        made = temporary / "made"
        made.mkdir()
        meta = binarise(columns, policy, made, num_lines=num_lines, progress=progress, looks_at_text=True)
        write_meta(made, meta, folder.parent)
        if folder.exists() and _read_sound_meta(folder) is None:
            folder.rename(temporary / "damaged")
        _rename_unless_there(made, folder)
    return meta


def _rename_unless_there(made: Path, folder: Path) -> None:
    """Give a folder its name, unless another process has made the same one meanwhile."""
    try:
        made.rename(folder)
    except OSError:
        if _read_sound_meta(folder) is None:
            raise


def log_progress() -> Progress:
    """Return a progress report that logs a line now and then."""
    last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= PROGRESS_EVERY_S:
            last = time.monotonic()
            logger.info("Binarised %d of %d lines (%d %%)", done, total, 100 * done // total)

    return report
