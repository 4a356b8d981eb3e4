"""
Batches for an encoder-decoder model that restores hidden spans.

Each span is replaced by an id of its own, `<0>`, `<1>` and so on. The target is every such id with what it stands for::

    text    a b c d e f g        source  a <0> d e <1> g eos        target  <0> b c <1> f eos
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from seqtrain.api import Batch
from seqtrain_lm.mapped_array import IntArray
from seqtrain_lm.noise_config import NoiseConfig
from seqtrain_lm.rows import BlockRows
from seqtrain_lm.vocabulary import Vocabulary
from seqtrain_text.padded import pad_rows, shift_right


def span_counts(lengths: IntArray, noise: NoiseConfig) -> tuple[IntArray, IntArray]:
    """Return how many tokens of blocks are hidden, and in how many spans; a function of the blocks' lengths."""
    hidden = np.maximum(np.rint(lengths * noise.mask_prob).astype(np.int64), 1)
    spans = np.maximum(np.rint(hidden / noise.mean_span).astype(np.int64), 1)
    return hidden, np.minimum(spans, np.minimum(hidden, lengths - hidden + 1))


@dataclass(frozen=True)
class SpanBatches:
    """
    Makes batches; an example always has the same spans hidden.

    Args:
        vocabulary: with a hidden id for each span of the longest block.
        noise: what is hidden.
    """

    vocabulary: Vocabulary
    noise: NoiseConfig

    @property
    def key(self) -> str:
        """What the batches depend on besides the blocks."""
        return f"span {self.noise}"

    def lengths(self, blocks: IntArray) -> IntArray:
        """Return the lengths (n, 2) of source and target of n blocks, given theirs."""
        hidden, spans = span_counts(blocks, self.noise)
        return np.stack([blocks - hidden + spans + 1, hidden + spans + 1], axis=1)

    def __call__(self, ids: IntArray, rows: BlockRows) -> Batch:
        """
        Make a batch, hidden by (noise.seed, example).

        Returns:
            net_input `source_tokens` (B, S) and `prev_output_tokens` (B, T); target (B, T).
        """
        blocks = np.split(rows.tokens, np.cumsum(rows.lengths)[:-1])
        pairs = [self._hide(block, int(each)) for block, each in zip(blocks, ids, strict=True)]
        lengths = self.lengths(rows.lengths)
        source, target = (np.concatenate(side) for side in zip(*pairs, strict=True))
        padding, bos = self.vocabulary.padding, self.vocabulary.tokenizer.bos
        sides = (
            pad_rows(source, lengths[:, 0], padding),  # (B, S)
            pad_rows(shift_right(target, lengths[:, 1], bos), lengths[:, 1], padding),  # (B, T)
            pad_rows(target, lengths[:, 1], padding),  # (B, T)
        )
        source_tokens, prefix, expected = (torch.from_numpy(side) for side in sides)
        longer, tokens = max((source_tokens, source), (expected, target), key=lambda side: side[0].shape[1])
        return Batch(
            ids=torch.from_numpy(ids),
            net_input={"source_tokens": source_tokens, "prev_output_tokens": prefix},
            target=expected,
            num_targets=len(target),
            num_tokens=len(tokens),
            num_positions=longer.numel(),
            num_source_tokens=len(source),
        )

    def _hide(self, block: IntArray, example: int) -> tuple[IntArray, IntArray]:
        """Return source and target of a block."""
        rng = np.random.default_rng([self.noise.seed, example])
        (hidden,), (spans,) = span_counts(np.array([len(block)]), self.noise)
        lengths = _parts(rng, hidden, spans, least=1)
        gaps = _parts(rng, len(block) - hidden - (spans - 1), spans + 1, least=0)
        gaps[1:-1] += 1  # two spans without a gap would be one
        starts = np.cumsum(gaps[:-1]) + np.cumsum(lengths) - lengths
        ids = self.vocabulary.first_hidden + np.arange(spans)
        is_hidden = np.zeros(len(block), bool)
        for start, length in zip(starts, lengths, strict=True):
            is_hidden[start : start + length] = True
        marked = block.copy()
        marked[starts] = ids
        keep = ~is_hidden
        keep[starts] = True
        hidden_starts = np.cumsum(lengths) - lengths
        target = np.insert(block[is_hidden], hidden_starts, ids)
        eos = self.vocabulary.tokenizer.eos
        return np.append(marked[keep], eos), np.append(target, eos)


def _parts(rng: np.random.Generator, total: int, count: int, *, least: int) -> IntArray:
    """Draw `count` numbers, `least` (0 or 1) or more each, that add up to `total`; all ways to do so alike."""
    places = total + count - 1 if least == 0 else total - 1
    bars = np.sort(rng.choice(places, count - 1, replace=False))
    edges = np.concatenate(([-1], bars, [places]))
    return np.diff(edges) - (1 - least)
