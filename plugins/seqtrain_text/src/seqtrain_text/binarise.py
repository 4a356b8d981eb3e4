"""
From parallel lines of text to files of token ids.

A folder of binarised text holds, for column number i (source, target, ...) with rows of tokens that end in eos::

    tokens-i.bin    all rows, one after the other; uint16, or int32 where the vocabulary is larger
    offsets-i.bin   int64: where each row starts, and at last the number of tokens
    skipped.bin     int64: for each line left out, how many lines before it were kept
    meta.json       counts, and hashes of these files
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seqtrain.api import DataError, Rows
from seqtrain_text.files import TextScan
from seqtrain_text.flat_rows import ended_rows
from seqtrain_text.known_files import ask_once
from seqtrain_text.readers import Lines, TextReader
from seqtrain_text.round_trips import GivesTextBack, LineSample, look_at
from seqtrain_text.store_meta import ColumnCounts, StoreMeta

BLOCK_LINES = 10_000  # held in memory at a time

Progress = Callable[[int, int], None]
"""Called with the lines done and the lines there are."""


class Encoder(Protocol):
    """What a column needs of a tokenizer: the same as `Tokenizer`, but nothing of training, saving or decoding."""

    @property
    def vocab_size(self) -> int:
        """V: every id lies in [0, V)."""
        ...

    @property
    def eos(self) -> int:
        """The id that ends a row."""
        ...

    @property
    def unknown(self) -> int:
        """The id of what has no other."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides how lines are encoded."""
        ...

    def encode_batch(self, lines: Sequence[str]) -> Rows:
        """Return the ids of all lines, without eos, and how many each line has."""
        ...


@dataclass(frozen=True)
class Column:
    """
    One of several text files that agree line by line.

    Args:
        path: the file.
        tokenizer: what turns its lines into ids.
        name: how messages call it, such as "source".
        reader: what takes the lines out of the file; another one than `Lines` may make a "line" of something else.
        samples: it is training text, which a tokenizer that is set to may split by chance; see `subword_sampling.py`.
        is_written: models are to write such text, so that what its tokens lose is lost for good.
    """

    path: Path
    tokenizer: Encoder
    name: str
    reader: TextReader = field(default_factory=Lines)
    samples: bool = False
    is_written: bool = False

    def lines(self) -> Iterator[str]:
        """Read the file from its beginning."""
        return self.reader(self.path)

    def scan(self, cache: Path) -> TextScan:
        """Count the file's lines and hash its content, unless a live process has; see `ask_once`."""
        question = self.reader.question
        if question is None:  # it is not known whether two of them read the same
            return self.reader.scan(self.path)
        return TextScan(**ask_once(cache, self.path, question, lambda: asdict(self.reader.scan(self.path))))

    def place(self, number: int) -> str:
        """Say where line `number`, from 1, is: `train.en:17`, or `train.parquet, row 17`."""
        return self.reader.place(self.path, number)


@dataclass(frozen=True, kw_only=True)
class LinePolicy:
    """
    What happens to lines that are empty or too long; a line that is left out is left out of every column.

    Args:
        empty: "error", "skip" or "keep" lines that give no token in some column, or have nothing but blanks there;
            "allow" keeps them and says nothing.
        too_long: "error", "skip" or "truncate" (keep the beginning) lines above `max_length`.
        max_length: most tokens of a row, its eos included, >= 2.
    """

    empty: str
    too_long: str
    max_length: int


def binarise(
    columns: Sequence[Column],
    policy: LinePolicy,
    folder: Path,
    *,
    num_lines: int,
    progress: Progress,
    looks_at_text: bool = False,
) -> StoreMeta:
    """
    Write the columns' rows into an empty folder, a block of lines in memory at a time; all of it but `meta.json`.

    Args:
        columns: one or more files with as many lines each.
        policy: what happens to empty and over-long lines.
        folder: where the rows go.
        num_lines: of each file.
        progress: told how far it is.
        looks_at_text: see what the tokenizers do to a sample of the lines.

    Raises:
        DataError: a file is not as the policy wants it, or nothing is left.
        OSError: the folder cannot be written.
    """
    meta = StoreMeta(0, 0, [ColumnCounts(_dtype_for(column.tokenizer.vocab_size)) for column in columns])
    samples = [LineSample(num_lines) for _ in columns] if looks_at_text else []
    with ExitStack() as files:
        skipped_file = files.enter_context((folder / "skipped.bin").open("wb"))
        writers = [
            _ColumnWriter(folder, index, column.tokenizer, meta.columns[index], files)
            for index, column in enumerate(columns)
        ]
        for block in _blocks(columns):
            encoded = [column.tokenizer.encode_batch(lines) for column, lines in zip(columns, block, strict=True)]
            keep = _rows_to_keep(block, encoded, columns, policy, meta)
            for sample, lines in zip(samples, block, strict=False):
                sample.add(lines)
            for writer, rows in zip(writers, encoded, strict=True):
                writer.write(rows, keep, policy.max_length)
            kept_before = meta.rows + np.cumsum(keep) - keep
            skipped_file.write(kept_before[~keep].tobytes())
            meta.lines += len(keep)
            meta.rows += int(keep.sum())
            progress(meta.lines, num_lines)
    if meta.lines != num_lines:
        raise _changed(columns)
    _refuse_if_nothing_is_left(columns, meta, policy)
    for sample, column, counts in zip(samples, columns, meta.columns, strict=False):
        if isinstance(column.tokenizer, GivesTextBack):
            counts.round_trips = look_at(column.tokenizer, sample.lines, policy.max_length)
    return meta


class _ColumnWriter:
    """Writes the rows of one column; its files are closed by `files`."""

    def __init__(self, folder: Path, index: int, tokenizer: Encoder, counts: ColumnCounts, files: ExitStack) -> None:
        self._tokenizer = tokenizer
        self._counts = counts
        self._tokens_file = files.enter_context((folder / f"tokens-{index}.bin").open("wb"))
        self._offsets_file = files.enter_context((folder / f"offsets-{index}.bin").open("wb"))
        self._offsets_file.write(np.zeros(1, np.int64).tobytes())

    def write(self, rows: Rows, keep: NDArray[np.bool_], max_length: int) -> None:
        """Write the rows to keep of a block, finished."""
        ended = ended_rows(rows, self._tokenizer.eos, max_length=max_length, keep=keep)
        tokens = ended.tokens
        self._tokens_file.write(tokens.astype(self._counts.dtype).tobytes())
        self._offsets_file.write((self._counts.tokens + np.cumsum(ended.lengths)).tobytes())
        self._counts.tokens += len(tokens)
        self._counts.unknown += int(np.count_nonzero(tokens == self._tokenizer.unknown))


def _dtype_for(vocab_size: int) -> str:
    return "uint16" if vocab_size <= 1 << 16 else "int32"


def _blocks(columns: Sequence[Column]) -> Iterator[list[list[str]]]:
    """Yield the next lines of every column."""
    readers = [column.lines() for column in columns]
    while any(block := [list(islice(reader, BLOCK_LINES)) for reader in readers]):
        if len({len(lines) for lines in block}) > 1:
            raise _changed(columns)
        yield block


def _changed(columns: Sequence[Column]) -> DataError:
    return DataError(f"{columns[0].path} or a file beside it changed while it was read. Start again.")


def _rows_to_keep(
    block: Sequence[Sequence[str]],
    encoded: Sequence[Rows],
    columns: Sequence[Column],
    policy: LinePolicy,
    meta: StoreMeta,
) -> NDArray[np.bool_]:
    """Count the lines that are empty or too long, and say which lines of the block to keep."""
    keep = np.ones(len(encoded[0][1]), bool)
    for lines, (_, lengths), column, counts in zip(block, encoded, columns, meta.columns, strict=True):
        is_empty = (lengths == 0) | np.fromiter(map(str.isspace, lines), bool, len(lines))
        empty = np.flatnonzero(is_empty)
        too_long = np.flatnonzero(~is_empty & (lengths >= policy.max_length))
        if len(empty):
            counts.first_empty = counts.first_empty or meta.lines + int(empty[0]) + 1
            counts.empty += len(empty)
            if policy.empty == "error":
                raise DataError(
                    f"{column.place(counts.first_empty)}: the {column.reader.unit} is empty. "
                    "Fill or remove it (in every language), or set task.empty_lines=skip."
                )
        if len(too_long):
            counts.first_too_long = counts.first_too_long or meta.lines + int(too_long[0]) + 1
            counts.too_long += len(too_long)
            if policy.too_long == "error":
                raise DataError(
                    f"{column.place(counts.first_too_long)}: the {column.reader.unit} has "
                    f"{lengths[too_long[0]] + 1} tokens, its end included; at most {policy.max_length} are allowed. "
                    "Raise task.max_length, or set task.too_long=skip or truncate."
                )
        if policy.empty == "skip":
            keep[empty] = False
        if policy.too_long == "skip":
            keep[too_long] = False
    return keep


def _refuse_if_nothing_is_left(columns: Sequence[Column], meta: StoreMeta, policy: LinePolicy) -> None:
    for column, counts in zip(columns, meta.columns, strict=True):
        if counts.empty == meta.lines:
            raise DataError(
                f"All {meta.lines} {column.reader.unit}s of {column.path} are empty. Check that it is the right file."
            )
    if meta.rows == 0:
        found = "; ".join(
            f"{column.path}: {counts.empty} empty, {counts.too_long} above {policy.max_length} tokens"
            for column, counts in zip(columns, meta.columns, strict=True)
        )
        unit = columns[0].reader.unit
        raise DataError(f"None of {meta.lines} {unit}s is left ({found}). Raise task.max_length, or check the files.")
