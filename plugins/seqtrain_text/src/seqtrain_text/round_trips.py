"""What a tokenizer does to text: how many lines come back from their tokens, and what is lost of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np

from seqtrain.api import Rows
from seqtrain_text.differences import Difference, differences
from seqtrain_text.tokenizer import LONGEST_LINE, cut_long_lines

LOOKED_AT = 5_000  # lines at most; of a smaller text all
COMPARED = 200  # of those that do not come back, lines that are compared character by character
COMMONEST = 5  # differences that are kept
MOST_IN_A_LINE = 50  # differences that are looked for


@runtime_checkable
class GivesTextBack(Protocol):
    """What is asked of an encoder to see what it does to text."""

    @property
    def unknown(self) -> int:
        """The id of what has no other."""
        ...

    def encode_batch(self, lines: Sequence[str]) -> Rows:
        """Return the ids of all lines, and how many each line has."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of one line."""
        ...


@dataclass(frozen=True)
class RoundTrips:
    """
    How lines come back from their tokens.

    Args:
        lines: looked at.
        changed: of these, the lines that do not come back as they are.
        with_unknown: of these, the lines that have an unknown token.
        differences: the commonest: what stands in the text, what comes back, and in how many of the lines compared.
    """

    lines: int = 0
    changed: int = 0
    with_unknown: int = 0
    differences: Sequence[tuple[str, str, int]] = ()

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {**asdict(self), "differences": [list(each) for each in self.differences]}

    @classmethod
    def of_json(cls, record: Mapping[str, Any]) -> RoundTrips:
        """Return what JSON has made of one."""
        return cls(**{**record, "differences": tuple((text, other, n) for text, other, n in record["differences"])})


class LineSample:
    """
    Collects lines of a text, evenly spaced, long ones up to `LONGEST_LINE`.

    Args:
        num_lines: that the text has.
    """

    def __init__(self, num_lines: int) -> None:
        self._step = max(1, -(-num_lines // LOOKED_AT))
        self._seen = 0
        self.lines: list[str] = []

    def add(self, lines: Sequence[str]) -> None:
        """Take some of the next lines."""
        chosen = lines[-self._seen % self._step :: self._step]
        self.lines += [line if len(line) <= LONGEST_LINE else next(cut_long_lines([line])) for line in chosen]
        self._seen += len(lines)


def look_at(encoder: GivesTextBack, lines: Sequence[str], longest: int) -> RoundTrips:
    """
    Encode and decode lines.

    Args:
        encoder: the tokenizer.
        lines: some of the text.
        longest: lines of so many tokens are passed over, as they are cut or left out.
    """
    tokens, lengths = encoder.encode_batch(lines)
    rows = np.split(tokens, np.cumsum(lengths)[:-1])
    looked_at = [(line, row) for line, row in zip(lines, rows, strict=False) if len(row) < longest]
    has_unknown = [bool((row == encoder.unknown).any()) for _, row in looked_at]
    restored = [(line, encoder.decode(row.tolist())) for line, row in looked_at]
    changed = [pair for pair in restored if pair[0] != pair[1]]
    unknown_name = encoder.decode([encoder.unknown]).strip()
    found = Counter(
        (each.text, "<unk>" if unknown_name and each.other.strip() == unknown_name else each.other)
        for line, back in changed[:: -(-len(changed) // COMPARED) or 1]
        for each in _distinct(line, back)
    )
    commonest = tuple((*pair, count) for pair, count in found.most_common(COMMONEST))
    return RoundTrips(len(looked_at), len(changed), sum(has_unknown), commonest)


def _distinct(line: str, restored: str) -> list[Difference]:
    """Return what is different, each once; of several blanks, the first."""
    found = islice(differences(line, restored), MOST_IN_A_LINE)
    return list(dict.fromkeys(Difference(*(part[0] if part.isspace() else part for part in each)) for each in found))
