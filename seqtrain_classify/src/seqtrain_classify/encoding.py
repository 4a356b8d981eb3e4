"""
From lines of text to rows of token ids: `[text eos]` or `[text eos second-text eos]`, perhaps with bos before it.

Rows are flat, one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from seqtrain.api import Rows, Tokenizer
from seqtrain_classify.config import ClassifyConfig
from seqtrain_classify.kind import IntArray
from seqtrain_text.padded import ranges
from seqtrain_text.subword_sampling import sampled
from seqtrain_text.tokenizer import digest

PAIR_SEPARATOR = "\t"
"""Stands between the two texts of a pair in a line."""


@dataclass(frozen=True, kw_only=True)
class RowEncoder:
    """
    Encodes lines, all but the last eos of each; a token store takes it for a tokenizer.

    Args:
        tokenizer: trained or loaded.
        is_pair: a line is two texts with `PAIR_SEPARATOR` between.
        prepend_bos: begin each row with bos.
        cut_to: most tokens of a pair, the last eos included; None: any.
    """

    tokenizer: Tokenizer
    is_pair: bool
    prepend_bos: bool
    cut_to: int | None

    @classmethod
    def of(cls, tokenizer: Tokenizer, config: ClassifyConfig, *, cuts: bool) -> RowEncoder:
        """Make one with the settings of a task; `cuts` says whether pairs are cut to `max_length`."""
        return cls(
            tokenizer=tokenizer,
            is_pair=config.is_pair,
            prepend_bos=config.prepend_bos,
            cut_to=config.max_length if cuts else None,
        )

    @property
    def vocab_size(self) -> int:
        """The tokenizer's."""
        return self.tokenizer.vocab_size

    @property
    def eos(self) -> int:
        """The tokenizer's."""
        return self.tokenizer.eos

    @property
    def unknown(self) -> int:
        """The tokenizer's."""
        return self.tokenizer.unknown

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides how lines are encoded."""
        rules = (self.tokenizer.fingerprint, self.is_pair, self.prepend_bos, self.is_pair and self.cut_to)
        return digest(repr(rules).encode())

    def sampled(self, seed: int, epoch: int) -> RowEncoder:
        """Return an encoder whose tokenizer draws how it splits texts, where it is set to; see `SamplesSubwords`."""
        return replace(self, tokenizer=sampled(self.tokenizer, seed, epoch))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the line that a row stands for, the two texts of a pair with `PAIR_SEPARATOR` between."""
        ends = [place for place, each in enumerate(ids) if each == self.tokenizer.eos]
        texts = [ids[start + 1 : end] for start, end in pairwise([-1, *ends, len(ids)])]
        return PAIR_SEPARATOR.join(map(self.tokenizer.decode, texts))

    def encode_batch(self, lines: Sequence[str]) -> Rows:
        """
        Return the ids of all lines, and how many each line has.

        A pair that is cut keeps one token too many, so that whoever cuts rows counts it; that token is the one cut off.
        """
        texts, num_sides = lines, 1
        if self.is_pair:
            pairs = [line.partition(PAIR_SEPARATOR) for line in lines]
            texts, num_sides = [first for first, _, _ in pairs] + [second for _, _, second in pairs], 2
        tokens, all_lengths = self.tokenizer.encode_batch(texts)
        starts = (np.cumsum(all_lengths) - all_lengths).reshape(num_sides, -1)
        lengths = all_lengths.reshape(num_sides, -1)
        surplus: IntArray | int = 0
        if self.is_pair and self.cut_to is not None:
            before = lengths.sum(0)
            lengths = cut_longer(lengths, self.cut_to - 2 - self.prepend_bos)
            surplus = (lengths.sum(0) < before).astype(np.int64)
        totals = self.prepend_bos + lengths.sum(0) + (num_sides - 1) + surplus
        places = np.cumsum(totals) - totals
        rows = np.full(int(totals.sum()), self.tokenizer.eos, np.int32)  # what no text is put over stays eos
        if self.prepend_bos:
            rows[places] = self.tokenizer.bos
            places = places + 1
        for its_starts, its_lengths in zip(starts, lengths, strict=True):
            rows[ranges(places, its_lengths)] = tokens[ranges(its_starts, its_lengths)]
            places = places + its_lengths + 1
        return rows, totals


def cut_longer(lengths: IntArray, room: int) -> IntArray:
    """
    Shorten pairs: the longer text loses its end until both are equally long, then both do.

    Args:
        lengths: (2, B) of the first and the second texts.
        room: for both together.

    Example:
        >>> cut_longer(np.array([[9, 2, 9, 3], [2, 9, 9, 2]]), 6).tolist()
        [[4, 2, 3, 3], [2, 4, 3, 2]]
    """
    first, second = lengths
    first = np.minimum(first, np.maximum(room - second, room - room // 2))
    return np.stack([first, np.minimum(second, room - first)])
