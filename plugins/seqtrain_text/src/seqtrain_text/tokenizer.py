"""What the tokenizers here share."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from seqtrain.api import CheckpointError, Rows

PADDING, BOS, EOS, UNKNOWN = range(4)
SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<unk>")
"""The first entries of every vocabulary that is trained here."""


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
    unfinished.unlink(missing_ok=True)  # in a stranger's run it may be a second name of another file
    unfinished.write_bytes(content)
    unfinished.replace(path)


def read_plain(path: Path) -> bytes:
    """
    Read a file.

    Raises:
        ValueError: it is something else, such as a pipe, which would never end.
        OSError: it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise ValueError("it is no file")
    return path.read_bytes()


def read_saved(path: Path) -> bytes:
    """
    Read a file of a saved tokenizer.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        return read_plain(path)
    except ValueError as error:
        raise damaged(path, error) from error
    except OSError as error:
        raise CheckpointError(
            f"Cannot read the tokenizer {path}: {error.strerror}. Copy the whole run folder, task/ included."
        ) from error


def check_vocabulary(tokens: object, path: Path) -> None:
    """
    Check that a saved vocabulary is one that was made here: a list of different texts, special ones first.

    Raises:
        CheckpointError: it is not.
    """
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise damaged(path, "not a list of texts")
    if tuple(tokens[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
        raise damaged(path, f"it does not begin with {', '.join(SPECIAL_TOKENS)}")
    if len(set(tokens)) < len(tokens):
        twice = next(token for token, count in Counter(tokens).items() if count > 1)
        raise damaged(path, f"{twice!r} is in it twice")
    if not "".join(tokens).isascii():
        try:
            "".join(tokens).encode()
        except UnicodeEncodeError as error:
            raise damaged(path, f"it holds {error.object[error.start]!a}, half of a character") from error


def damaged(path: Path, why: object) -> CheckpointError:
    """Describe a saved tokenizer that cannot be understood."""
    return CheckpointError(
        f"The tokenizer {path} is damaged ({why}). Restore the file, or train again in a new run folder."
    )
