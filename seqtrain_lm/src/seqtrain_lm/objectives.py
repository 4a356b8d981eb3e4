"""What each objective makes of blocks, and what it tells a model."""

from __future__ import annotations

import numpy as np

from seqtrain.api import ModelSpec, Tokenizer
from seqtrain_lm.config import LMConfig
from seqtrain_lm.dataset import MakeBatches
from seqtrain_lm.masking import MaskedBatches
from seqtrain_lm.rows import CausalBatches
from seqtrain_lm.span_noise import SpanBatches, span_counts
from seqtrain_lm.vocabulary import Vocabulary


def make_batches(config: LMConfig, tokenizer: Tokenizer) -> MakeBatches:
    """Return what makes batches; the tokenizer need not be trained or loaded yet."""
    if config.objective == "masked":
        return MaskedBatches(Vocabulary(tokenizer, 1), config.noise)
    if config.objective == "span":
        _, spans = span_counts(_block_lengths(config), config.noise)
        return SpanBatches(Vocabulary(tokenizer, int(spans.max())), config.noise)
    return CausalBatches(Vocabulary(tokenizer, 0), with_documents=config.pack_documents)


def make_spec(config: LMConfig, batches: MakeBatches) -> ModelSpec:
    """Return what a model must know of the batches; the tokenizer is trained or loaded."""
    vocabulary = batches.vocabulary
    if not isinstance(batches, SpanBatches):
        return ModelSpec(vocab_size=len(vocabulary), padding=vocabulary.padding, max_positions=config.tokens_per_sample)
    source, target = batches.lengths(_block_lengths(config)).max(0).tolist()
    return ModelSpec(
        vocab_size=len(vocabulary),
        source_vocab_size=len(vocabulary),
        shared_vocabulary=True,
        padding=vocabulary.padding,
        max_positions=target,
        max_source_positions=source,
    )


def _block_lengths(config: LMConfig) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return every length that a block can have."""
    return np.arange(1, config.tokens_per_sample + 1)
