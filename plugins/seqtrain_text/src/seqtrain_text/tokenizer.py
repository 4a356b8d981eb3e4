"""What a tokenizer does, and what the ones here share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from seqtrain.errors import CheckpointError

PADDING, BOS, EOS, UNKNOWN = range(4)
SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<unk>")
"""The first entries of every vocabulary that is trained here."""

Rows = tuple[NDArray[np.int32], NDArray[np.int64]]
"""Token ids of several lines, one after the other, and the number of ids of each line."""


@runtime_checkable
class Tokenizer(Protocol):
    """
    Turns lines into token ids and back; called with its config, then trained or loaded once.

    Only `config` is needed to load, and nothing outside the folder that `save` wrote.
    """

    @property
    def vocab_size(self) -> int:
        """V: every id lies in [0, V)."""
        ...

    @property
    def padding(self) -> int:
        """The id that fills up rows of a batch."""
        ...

    @property
    def bos(self) -> int:
        """The id that starts a sentence."""
        ...

    @property
    def eos(self) -> int:
        """The id that ends a sentence."""
        ...

    @property
    def unknown(self) -> int:
        """The id of what has no other."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides how lines are encoded."""
        ...

    def train(self, lines: Iterable[str]) -> None:
        """
        Learn a vocabulary; the same lines give the same vocabulary.

        Raises:
            ConfigError: a setting does not fit the text.
            DataError: there is no text, or a file named by the config cannot be read.
        """
        ...

    def encode_batch(self, lines: Sequence[str]) -> Rows:
        """Return the ids of all lines, without bos and eos, and how many each line has."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of one line; padding, bos and eos are left out."""
        ...

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the name of each id."""
        ...

    def vocabulary(self) -> list[str]:
        """Return the names of all V ids."""
        ...

    def save(self, folder: Path) -> None:
        """Write it into a folder, which is made if need be."""
        ...

    def load(self, folder: Path) -> None:
        """
        Take over what `save` wrote.

        Raises:
            CheckpointError: it is missing or damaged.
        """
        ...


def sample_evenly(lines: Iterable[str], limit: int) -> list[str]:
    """
    Return at most `limit` lines, every k-th, for the smallest power of two k that suffices.

    Reads a text of any length in memory for `limit` lines, and takes the same ones every time.
    """
    sample: list[str] = []
    step = 1
    for index, line in enumerate(lines):
        if index % step:
            continue
        if len(sample) == limit:
            sample, step = sample[::2], step * 2
            if index % step:
                continue
        sample.append(line)
    return sample


def flatten(rows: Sequence[Sequence[int]]) -> Rows:
    """Put lists of ids one after the other into one array."""
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    return np.fromiter(chain.from_iterable(rows), np.int32, int(lengths.sum())), lengths


def digest(content: bytes) -> str:
    """Return a hash that identifies the content."""
    return hashlib.sha256(content).hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is either there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def read_saved(path: Path) -> bytes:
    """
    Read a file of a saved tokenizer.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"Cannot read the tokenizer {path}: {error.strerror}. Copy the whole run folder, task/ included."
        ) from error


def damaged(path: Path, why: object) -> CheckpointError:
    """Describe a saved tokenizer that cannot be understood."""
    return CheckpointError(
        f"The tokenizer {path} is damaged ({why}). Restore the file, or train again in a new run folder."
    )
