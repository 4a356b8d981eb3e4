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
from seqtrain_lm.likelihood import Corrections, TextSize, TextSummary
from seqtrain_lm.mapped_array import IntArray
from seqtrain_lm.scoring import ReadTokens, TextSpan, TokenScorer, Window
from seqtrain_lm.segmentation import EMPTY, LineSegmenter
from seqtrain_text.flat_rows import ended_rows
from seqtrain_text.padded import ranges
from seqtrain_text.row_store import RowStore

ROWS_AT_ONCE = 1000  # in memory


def spans(store: RowStore, break_mode: str) -> Iterator[TextSpan]:
    """Yield what blocks do not reach beyond: the file, its documents, or its lines."""
    if break_mode == "none":
        yield 0, store.num_tokens
        return
    for start, length in LineSegmenter(break_mode, sys.maxsize, "split")(line_lengths(store)):
        yield start, start + length


def summarise(lines: Iterable[str], store: RowStore, tokenizer: Tokenizer, break_mode: str) -> TextSummary:
    """Look at what `spans` of a file are made of: all its lines, or those that are not empty, with their ends."""
    keeps_all = break_mode in ("none", "complete")
    return TextSummary.sum(
        TextSummary(
            size=TextSize.of(line),
            corrections=Corrections.of(line, tokenizer.decode(row.tolist())),
            num_tokens=len(row),
            num_unknown=int(np.count_nonzero(row == tokenizer.unknown)),
        )
        for line, row in zip(lines, _rows(store), strict=True)
        if keeps_all or len(row) > EMPTY
    )


def _rows(store: RowStore) -> Iterator[IntArray]:
    for start in range(0, len(store), ROWS_AT_ONCE):
        tokens, lengths = store.gather(np.arange(start, min(start + ROWS_AT_ONCE, len(store))))
        yield from np.split(tokens, np.cumsum(lengths)[:-1])


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
