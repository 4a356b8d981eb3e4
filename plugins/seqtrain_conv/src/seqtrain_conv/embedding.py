"""
From token ids to vectors: tables, learned positions, and positions by formula.

R rows, T positions, D size of embeddings, V vocabulary.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from seqtrain.api import ConfigError, DataError, ModelSpec
from seqtrain_conv.config import FConvConfig, LightConvConfig

FIRST_POSITION = 2  # the number fairseq gives the first token (its padding id + 1): weights trained there stay good
LONGEST_WAVE = 10_000.0  # in positions, over 2 pi


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


class PositionedEmbedding(nn.Module):
    """
    Token vectors plus learned positions, then dropout.

    Args:
        tokens: the table (V, D); may be shared with other layers.
        max_positions: the longest sequence, in tokens.
        dropout: share of units set to zero in training.
        side: "source" or "target", for error messages.
    """

    def __init__(self, tokens: nn.Embedding, max_positions: int, dropout: float, *, side: str) -> None:
        super().__init__()
        self.tokens = tokens
        self.positions = nn.Embedding(max_positions, tokens.embedding_dim)
        nn.init.normal_(self.positions.weight, std=0.1)  # as the tokens
        self.dropout = nn.Dropout(dropout)
        self.side = side

    def forward(self, tokens: Tensor, start: int = 0) -> Tensor:
        """
        Embed tokens (R, T) int64, of which the first stands at position `start`, as (R, T, D).

        Raises:
            DataError: the sequence is too long.
        """
        end, longest = start + tokens.shape[1], self.positions.num_embeddings
        if end > longest:
            raise DataError(
                f"A {self.side} sequence has {end} tokens, but this model has learned {longest} positions. "
                "Shorten or leave out such sequences, train on longer ones, or choose a model without learned "
                "positions, such as lightconv."
            )
        out: Tensor = self.dropout(self.tokens(tokens) + self.positions.weight[start:end])
        return out


def add_sinusoids(x: Tensor, start: int) -> Tensor:
    """
    Scale token vectors to variance one and add positions by formula, which go on for ever.

    Args:
        x: (R, T, D), of variance 1/D.
        start: position of the first.

    Returns:
        (R, T, D).

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, section 3.5; sines and cosines in two halves, as in their code.
    """
    length, dim = x.shape[1:]
    half = dim // 2
    ratio = -math.log(LONGEST_WAVE) / max(half - 1, 1)
    first = FIRST_POSITION + start
    frequencies = torch.exp(torch.arange(half, device=x.device, dtype=torch.float32) * ratio)
    angles = torch.arange(first, first + length, device=x.device, dtype=torch.float32)[:, None] * frequencies
    sinusoids = torch.cat((angles.sin(), angles.cos()), dim=1).to(x.dtype)  # (T, D)
    return torch.add(sinusoids, x, alpha=math.sqrt(dim))
