"""What is read as one text when files are scored, and how much text that is."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise

import numpy as np
from torch import nn

from seqtrain.api import Tokenizer, WorkerGroup
from seqtrain_lm.blocks import line_lengths
from seqtrain_lm.config import LMConfig
from seqtrain_lm.dataset import BlockFile
from seqtrain_lm.likelihood import TextSize
from seqtrain_lm.mapped_array import IntArray
from seqtrain_lm.scoring import ReadTokens, TextSpan, TokenScorer, Window
from seqtrain_lm.segmentation import EMPTY, LineSegmenter
from seqtrain_text.flat_rows import ended_rows
from seqtrain_text.padded import ranges
from seqtrain_text.row_store import RowStore


def spans(store: RowStore, break_mode: str) -> Iterator[TextSpan]:
    """Yield what blocks do not reach beyond: the file, its documents, or its lines."""
    if break_mode == "none":
        yield 0, store.num_tokens
        return
    for start, length in LineSegmenter(break_mode, sys.maxsize, "split")(line_lengths(store)):
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


def total_size(texts: Iterable[Iterable[str]], files: Iterable[BlockFile], break_mode: str) -> TextSize:
    """Count the same of several files; `texts` are the lines of each."""
    sizes = (text_size(lines, file.store, break_mode) for lines, file in zip(texts, files, strict=True))
    return sum(sizes, TextSize())


def sum_log_probs(
    models: Sequence[nn.Module],
    files: Iterable[BlockFile],
    tokenizer: Tokenizer,
    config: LMConfig,
    workers: WorkerGroup,
) -> tuple[float, int]:
    """
    Score every token of several files once.

    Returns:
        The negative log-probability in nats, summed, and the number of tokens; all workers get both.
    """
    scorer = TokenScorer.of(models, tokenizer, config)

    def summed(read: ReadTokens, together: Sequence[Window]) -> tuple[float, int]:
        log_probs = list(chain.from_iterable(scorer(read, together)))
        return -math.fsum(log_probs), len(log_probs)

    nats, num_tokens = 0.0, 0
    for file in files:
        batches = scorer.batches(spans(file.store, config.break_mode))
        for some_nats, some_tokens in workers.map(partial(summed, file.store.read), batches):
            nats += some_nats
            num_tokens += some_tokens
    return nats, num_tokens


@dataclass(frozen=True)
class LineText:
    """
    Lines to score, each by itself.

    Args:
        tokens: of all lines, each with its end.
        spans: where each line is.
    """

    tokens: IntArray
    spans: Sequence[TextSpan]

    def read(self, starts: IntArray, lengths: IntArray) -> IntArray:
        """Return the tokens [start, start + length) for each start and length."""
        return self.tokens[ranges(starts, lengths)]


def line_spans(tokenizer: Tokenizer, lines: Sequence[str]) -> LineText:
    """Encode lines."""
    rows = ended_rows(tokenizer.encode_batch(lines), tokenizer.eos)
    edges = [0, *np.cumsum(rows.lengths).tolist()]
    return LineText(rows.tokens.astype(np.int64), list(pairwise(edges)))
