"""
Tables of tokens: one for source and target, or two.

D size of embeddings, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import nn

from seqtrain.api import ConfigError, ModelSpec
from seqtrain_conv.config import FConvConfig, LightConvConfig


def token_table(vocab_size: int, dim: int, padding: int, *, std: float) -> nn.Embedding:
    """Return a table (V, D) of normal weights whose padding row is zero and gets no gradient as an input."""
    table = nn.Embedding(vocab_size, dim, padding_idx=padding)
    nn.init.normal_(table.weight, std=std)
    with torch.no_grad():
        table.weight[padding].zero_()
    return table


def source_and_target_tables(
    config: FConvConfig | LightConvConfig, spec: ModelSpec, *, std: float
) -> tuple[nn.Embedding, nn.Embedding]:
    """
    Return the tables of source and target, which may be one and the same.

    Raises:
        ConfigError: the task has no source, or not the vocabulary that the config asks for.
    """
    if spec.source_vocab_size is None:
        raise ConfigError("This model translates from a source, and the task has none. Choose another model.")
    target = token_table(spec.vocab_size, config.embed_dim, spec.padding, std=std)
    if config.share_embeddings != "all":
        return token_table(spec.source_vocab_size, config.embed_dim, spec.padding, std=std), target
    if not spec.shared_vocabulary:
        raise ConfigError(
            "model.share_embeddings=all needs one vocabulary for source and target, but the task made two, of "
            f"{spec.source_vocab_size:,} and {spec.vocab_size:,} entries. "
            "Set model.share_embeddings=decoder, or give the task a shared vocabulary."
        )
    return target, target
