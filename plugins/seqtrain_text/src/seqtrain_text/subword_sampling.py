"""Training text that is split into tokens anew every epoch, by tokenizers that draw how: BPE-dropout and the like."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np

from seqtrain.api import Batch, DataError, Dataset, Rows
from seqtrain_text.binarise import Column, Encoder, LinePolicy, binarise
from seqtrain_text.files import TextScan
from seqtrain_text.flat_rows import FlatRows, IntArray
from seqtrain_text.store import TokenStore, build_stores, log_progress
from seqtrain_text.temporary_folder import temporary_folder
from seqtrain_text.tokenizer import digest

if TYPE_CHECKING:
    from typing_extensions import Self

logger = logging.getLogger(__name__)

E = TypeVar("E", bound=Encoder)
D = TypeVar("D", bound=Dataset)

MakeDataset: TypeAlias = Callable[[Sequence[Sequence[TokenStore]]], D]
"""Makes a dataset from the stores of each file, or of each few files that agree line by line."""


@dataclass(frozen=True, kw_only=True)
class TextRules:
    """
    How text becomes rows.

    Args:
        cache: the folder for all that can be made again.
        policy: what happens to empty and over-long lines.
        rows_are_examples: no row may be longer than a batch.
    """

    cache: Path
    policy: LinePolicy
    rows_are_examples: bool = True


@runtime_checkable
class SamplesSubwords(Protocol):
    """An encoder that can split a line in several ways."""

    def sampled(self, seed: int, epoch: int) -> Self:
        """
        Return the same encoder, but one that draws how it splits a line: a function of (seed, epoch, line) alone.

        Itself, where its settings leave nothing to chance. What is drawn decodes to the same text.
        """
        ...


def sampled(encoder: E, seed: int, epoch: int) -> E:
    """Return an encoder that draws how it splits a line; the same, where it cannot or is not set to."""
    return encoder.sampled(seed, epoch) if isinstance(encoder, SamplesSubwords) else encoder


def make_dataset(
    files: Sequence[Sequence[Column]], make: MakeDataset[D], text: TextRules
) -> D | SubwordSamplingDataset[D]:
    """
    Binarise text and make a dataset of it: one that varies by epoch, where a column's tokenizer draws splits.

    Args:
        files: the columns of each file, or of each few that agree line by line.
        make: makes the task's dataset from their stores, given in the same order.
        text: how they become rows.

    Raises:
        DataError: a file is not usable; see `build_stores`.
    """
    plain = make([build_stores(columns, cache=text.cache, policy=text.policy) for columns in files])
    columns = [column for columns in files for column in columns if column.samples]
    if all(sampled(column.tokenizer, 0, 0).fingerprint == column.tokenizer.fingerprint for column in columns):
        return plain
    return SubwordSamplingDataset(plain, files, make, text)


class SubwordSamplingDataset(Generic[D]):
    """
    A training set of which each epoch is split anew; asked for no epoch, it is split without drawing.

    Args:
        plain: split without drawing.
        files, make, text: see `make_dataset`.
    """

    def __init__(self, plain: D, files: Sequence[Sequence[Column]], make: MakeDataset[D], text: TextRules) -> None:
        self.plain = plain
        self._files, self._make, self._text = files, make, text
        self._scans = self._scan()
        self.parts = plain.parts
        how = [column.tokenizer.fingerprint for columns in self._sampled(0, 0) for column in columns]
        self.fingerprint = digest(repr((plain.fingerprint, how)).encode())

    def at_epoch(self, epoch: int, *, seed: int, max_tokens: int | None) -> D:
        """
        Split the text anew; see `VariesByEpoch`.

        Raises:
            DataError: a file is not what it was when training began.
        """
        logger.info("Splitting the training text anew for epoch %d", epoch)
        if self._scan() != self._scans:
            paths = ", ".join(str(column.path) for columns in self._files for column in columns)
            raise DataError(
                f"The training text ({paths}) changed during training, and every epoch splits it anew. Put the old "
                "files back, and the same command goes on; or start over with --fresh (the old run is kept aside)."
            )
        longest = self._text.policy.max_length
        if self._text.rows_are_examples and max_tokens is not None:
            longest = min(longest, max_tokens)
        stores = []
        for columns, scans in zip(self._sampled(seed, epoch, longest), self._scans, strict=True):
            stores.append(self._build(columns, num_lines=scans[0].count))
        return self._make(stores)

    def _scan(self) -> list[list[TextScan]]:
        return [[column.scan(self._text.cache) for column in columns] for columns in self._files]

    def _sampled(self, seed: int, epoch: int, longest: int = 1 << 62) -> list[list[Column]]:
        """Return the columns with encoders that draw."""
        return [
            [
                replace(
                    column, tokenizer=LengthLimited(sampled(column.tokenizer, seed, epoch), column.tokenizer, longest)
                )
                if column.samples
                else column
                for column in columns
            ]
            for columns in self._files
        ]

    def _build(self, columns: Sequence[Column], num_lines: int) -> list[TokenStore]:
        """Binarise text for this process alone: the folder is gone at once, and the files are with the stores."""
        with temporary_folder(self._text.cache) as folder:
            meta = binarise(columns, self._text.policy, folder, num_lines=num_lines, progress=log_progress())
            return [
                TokenStore(
                    folder,
                    index,
                    meta,
                    place=column.place,
                    fingerprint=column.tokenizer.fingerprint,
                    unit=column.reader.unit,
                )
                for index, column in enumerate(columns)
            ]

    def __len__(self) -> int:
        return len(self.plain)

    def lengths(self, start: int, stop: int) -> IntArray:
        """Return the lengths of examples [start, stop)."""
        return self.plain.lengths(start, stop)

    def collate(self, indices: IntArray) -> Batch:
        """Make a batch of these examples."""
        return self.plain.collate(indices)

    def describe(self, index: int) -> str:
        """Say where an example comes from."""
        return self.plain.describe(index)


def without_sampling(dataset: D | SubwordSamplingDataset[D]) -> D:
    """Return a dataset as it is when nothing is drawn."""
    return dataset.plain if isinstance(dataset, SubwordSamplingDataset) else dataset


@dataclass(frozen=True)
class LengthLimited:
    """
    Splits a line by chance, or, where that would be too long, as it always was.

    So chance neither loses lines nor stops a run.

    Args:
        sampled: draws how a line is split.
        plain: does not.
        longest: most tokens of a row, its eos included.
    """

    sampled: Encoder
    plain: Encoder
    longest: int

    @property
    def vocab_size(self) -> int:
        """Of both."""
        return self.plain.vocab_size

    @property
    def eos(self) -> int:
        """Of both."""
        return self.plain.eos

    @property
    def unknown(self) -> int:
        """Of both."""
        return self.plain.unknown

    @property
    def fingerprint(self) -> str:
        """A hash of what is drawn from."""
        return self.sampled.fingerprint

    def encode_batch(self, lines: Sequence[str]) -> Rows:
        """Return the ids of all lines, without eos, and how many each line has."""
        tokens, lengths = self.sampled.encode_batch(lines)
        too_long = np.flatnonzero(lengths >= self.longest)
        if not len(too_long):
            return tokens, lengths
        instead, their_lengths = self.plain.encode_batch([lines[index] for index in too_long.tolist()])
        order = np.arange(len(lengths))
        order[too_long] = len(lengths) + np.arange(len(too_long))
        rows = FlatRows(np.concatenate([tokens, instead]), np.concatenate([lengths, their_lengths])).take(order)
        return rows.tokens, rows.lengths
