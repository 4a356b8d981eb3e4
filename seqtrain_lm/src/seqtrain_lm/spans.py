"""What is read as one text when it is scored, and how much text that is."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from seqtrain.api import Tokenizer
from seqtrain_lm.blocks import line_lengths
from seqtrain_lm.mapped_array import IntArray
from seqtrain_lm.scoring import Stretch, TextSize
from seqtrain_lm.segmentation import EMPTY, Cutter
from seqtrain_text.flat_rows import ended_rows
from seqtrain_text.padded import ranges
from seqtrain_text.row_store import RowStore


def spans(store: RowStore, break_mode: str) -> Iterator[Stretch]:
    """Yield what blocks do not reach beyond: the file, its documents, or its lines."""
    if break_mode == "none":
        yield 0, store.num_tokens
        return
    for start, length in Cutter(break_mode, sys.maxsize, "split")(line_lengths(store)):
        yield start, start + length


def text_size(lines: Iterable[str], store: RowStore, break_mode: str) -> TextSize:
    """Count what `spans` of a file are made of: all its lines, or those that are not empty, with their ends."""
    chars = num_bytes = words = 0
    keeps_all = break_mode in ("none", "complete")
    for line, length in zip(lines, line_lengths(store), strict=True):
        if keeps_all or length > EMPTY:
            chars += len(line) + 1
            num_bytes += len(line.encode()) + 1
            words += len(line.split()) + 1
    return TextSize(chars, num_bytes, words)


@dataclass(frozen=True)
class LineText:
    """
    Lines to score, each by itself.

    Args:
        tokens: of all lines, each with its end.
        spans: where each line is.
    """

    tokens: IntArray
    spans: Sequence[Stretch]

    def read(self, starts: IntArray, lengths: IntArray) -> IntArray:
        """Return the tokens [start, start + length) for each start and length."""
        return self.tokens[ranges(starts, lengths)]


def line_spans(tokenizer: Tokenizer, lines: Sequence[str]) -> LineText:
    """Encode lines."""
    rows = ended_rows(tokenizer.encode_batch(lines), tokenizer.eos)
    edges = [0, *np.cumsum(rows.lengths).tolist()]
    return LineText(rows.tokens.astype(np.int64), list(pairwise(edges)))
