"""Tokens of several blocks, one after the other, and from there to a batch for a causal model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from seqtrain.api import Batch
from seqtrain_lm.mapped_array import IntArray
from seqtrain_lm.vocabulary import Vocabulary
from seqtrain_text.padded import pad_rows, ranges

TOKENS_NAME, DOCUMENTS_NAME = "tokens", "documents"


@dataclass(frozen=True)
class BlockRows:
    """
    B blocks of S spans together; N tokens.

    Args:
        tokens: (N,) all of them.
        before: (S,) what stands before each span: the text's token there, or the end of a line.
        span_lengths: (S,) tokens of each span.
        per_block: (B,) spans of each block.
    """

    tokens: IntArray
    before: IntArray
    span_lengths: IntArray
    per_block: IntArray

    @property
    def lengths(self) -> IntArray:
        """Tokens of each block, (B,)."""
        firsts = np.cumsum(self.per_block) - self.per_block
        return np.add.reduceat(self.span_lengths, firsts)


def in_order(pieces: Sequence[BlockRows], order: IntArray) -> BlockRows:
    """Put blocks together, block `order[i]` of all pieces becoming block i."""
    if len(pieces) == 1:
        return pieces[0]
    tokens, before, span_lengths, per_block = (
        np.concatenate(each)
        for each in zip(*((p.tokens, p.before, p.span_lengths, p.per_block) for p in pieces), strict=True)
    )
    first_spans, first_tokens = np.cumsum(per_block) - per_block, np.cumsum(span_lengths) - span_lengths
    spans = ranges(first_spans[order], per_block[order])
    return BlockRows(
        tokens[ranges(first_tokens[spans], span_lengths[spans])], before[spans], span_lengths[spans], per_block[order]
    )


@dataclass(frozen=True)
class CausalBatches:
    """
    Batches for a model that predicts each token from those before it.

    Args:
        vocabulary: knows the padding.
        with_documents: say which span a token is of.
    """

    vocabulary: Vocabulary
    with_documents: bool = False

    @property
    def key(self) -> str:
        """What the batches depend on besides the blocks."""
        return f"causal {self.with_documents}"

    def lengths(self, blocks: IntArray) -> IntArray:
        """Return the lengths (n, 1) of examples of n blocks, given theirs."""
        return blocks[:, None]

    def __call__(self, ids: IntArray, rows: BlockRows) -> Batch:
        """
        Make a batch.

        Returns:
            net_input `tokens` (B, T), each span shifted right by one, and perhaps `documents` (B, T) int64, counted
            from 1 in each row, 0 at padding; target (B, T), the token at each place.
        """
        shifted = np.roll(rows.tokens, 1)
        shifted[np.cumsum(rows.span_lengths) - rows.span_lengths] = rows.before
        lengths = rows.lengths
        target = torch.from_numpy(pad_rows(rows.tokens, lengths, self.vocabulary.padding))  # (B, T)
        net_input = {TOKENS_NAME: torch.from_numpy(pad_rows(shifted, lengths, self.vocabulary.padding))}
        if self.with_documents:
            numbers = ranges(np.ones_like(rows.per_block), rows.per_block)  # (S,)
            documents = pad_rows(np.repeat(numbers, rows.span_lengths), lengths, 0)
            net_input[DOCUMENTS_NAME] = torch.from_numpy(documents)
        return Batch(
            ids=torch.from_numpy(ids),
            net_input=net_input,
            target=target,
            num_targets=len(rows.tokens),
            num_tokens=len(rows.tokens),
            num_positions=target.numel(),
        )
