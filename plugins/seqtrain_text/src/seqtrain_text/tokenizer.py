"""What the tokenizers here share."""

from __future__ import annotations

import hashlib
import logging
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from seqtrain.api import CheckpointError, Rows

logger = logging.getLogger(__name__)

PADDING, BOS, EOS, UNKNOWN = range(4)
SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<unk>")
"""The first entries of every vocabulary that is trained here."""

LONGEST_LINE = 10_000
"""Characters of a line that are looked at together: to learn a vocabulary, say; a usual line has far fewer."""

_JOINER = "\u200d"


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


def cut_long_lines(lines: Iterable[str], longest: int = LONGEST_LINE) -> Iterator[str]:
    """
    Yield lines to learn a vocabulary from, long ones in parts, and log how many those are.

    A line is cut at a blank, which is left out, as no token goes on after one; without a blank, between two characters.

    Args:
        lines: of any length.
        longest: characters of a part.
    """
    num_long = 0
    for line in lines:
        start = 0
        while len(line) - start > longest:
            end = line.rfind(" ", start + 1, start + longest + 1)
            if end >= 0:
                yield line[start:end]
                start = end + 1
            else:
                end = _character_start(line, start + longest, start)
                yield line[start:end]
                start = end
        num_long += start > 0
        yield line[start:]
    if num_long:
        logger.info(
            "%d lines have more than %d characters; to learn the vocabulary from, they are cut into parts of that size",
            num_long,
            longest,
        )


def _character_start(line: str, end: int, start: int) -> int:
    """Return where the character begins that `line[end]` is a combining mark of, but not so far back as `start`."""
    for place in range(end, start, -1):
        joined = line[place] == _JOINER or line[place - 1] == _JOINER
        if not joined and not unicodedata.category(line[place]).startswith("M"):
            return place
    return end


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
