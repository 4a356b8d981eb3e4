"""
Tokens to vectors.

B sequences, T positions, D model size, V vocabulary.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from seqtrain_transformer.config import LayerConfig
from seqtrain_transformer.dropout import Dropout
from seqtrain_transformer.positions import LearnedPositions, PositionLimit, SinusoidalPositions, position_limit


def token_table(vocab_size: int, dim: int, padding: int, std: float | None = None) -> nn.Embedding:
    """
    Return a table (V, D) whose padding row is zero and gets no gradient as an input.

    Args:
        vocab_size: V.
        dim: D.
        padding: the id that fills up rows.
        std: of the initial, normal weights; None: variance 1/D.
    """
    table = nn.Embedding(vocab_size, dim, padding_idx=padding)
    nn.init.normal_(table.weight, std=dim**-0.5 if std is None else std)
    with torch.no_grad():
        table.weight[padding].zero_()
    return table


class Embedding(nn.Module):
    """
    Token vectors times a scale, plus positions, normalised or not, then dropout.

    Args:
        tokens: the table (V, D); may be shared with other layers.
        positions: `SinusoidalPositions` or `LearnedPositions`; None: nothing is added.
        dropout: see `dropout.dropout`.
        scale: of token vectors.
        limit: how long sequences may be.
        norm: what normalises the sum, if anything.
    """

    def __init__(
        self,
        tokens: nn.Embedding,
        positions: nn.Module | None,
        dropout: float,
        *,
        scale: float,
        limit: PositionLimit,
        norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.positions = positions
        self.norm = norm
        self.dropout = Dropout(dropout)
        self.scale = scale
        self.limit = limit

    def forward(self, tokens: Tensor, start: int = 0, places: Tensor | None = None) -> Tensor:
        """
        Embed tokens (B, T) int64 as (B, T, D).

        Args:
            tokens: ids.
            start: where in its sequence the first of a row stands.
            places: (B, T) int64, where each token stands, instead.

        Raises:
            DataError: the sequence is too long.
        """
        self.limit.check(start + tokens.shape[1])
        x = self.tokens(tokens)  # (B, T, D)
        if self.positions is not None:
            added = self.positions(x, start)  # (T, D)
            x = torch.add(added if places is None else added[places], x, alpha=self.scale)  # (B, T, D)
        elif self.scale != 1:
            x = x * self.scale
        if self.norm is not None:
            x = self.norm(x)
        out: Tensor = self.dropout(x)
        return out


def make_embedding(
    config: LayerConfig,
    tokens: nn.Embedding,
    max_positions: int,
    *,
    side: str = "",
    std: float | None = None,
    norm: nn.Module | None = None,
) -> Embedding:
    """
    Return the embedding that a config asks for.

    Args:
        config: says how positions are told apart.
        tokens: from `token_table`, with the same `std`.
        max_positions: the longest sequence, in tokens.
        side: "source" or "target" where there are two, for error messages.
        std: of the initial weights; None: they have variance 1/D, and tokens are scaled to variance 1.
        norm: see `Embedding`.
    """
    dim = config.embed_dim
    positions: nn.Module | None = None
    if config.positions == "learned":
        positions = LearnedPositions(max_positions, dim, std=dim**-0.5 if std is None else std)
    elif config.positions == "sinusoidal":
        positions = SinusoidalPositions()
    limit = position_limit(config, max_positions, side=side)
    scale = math.sqrt(dim) if std is None else 1.0
    return Embedding(tokens, positions, config.dropout, scale=scale, limit=limit, norm=norm)
