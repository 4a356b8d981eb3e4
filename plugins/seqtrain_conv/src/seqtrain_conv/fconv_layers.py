"""
Embedding and attention of the convolutional encoder-decoder.

B sentences, R rows (B, or B*W when decoding with a beam of W), S source positions, T positions, C channels,
D size of embeddings, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqtrain.api import DataError
from seqtrain_conv.gated_block import SQRT_HALF
from seqtrain_conv.source import Source
from seqtrain_conv.weight_norm import make_linear


class Embedding(nn.Module):
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
                "Shorten or leave out such sequences, or train on longer ones."
            )
        out: Tensor = self.dropout(self.tokens(tokens) + self.positions.weight[start:end])
        return out


class AttentionToSource(nn.Module):
    """
    Ask the source with what a layer has found and the token it stands at, and add what comes back.

    Args:
        channels: C.
        embed_dim: D.

    Source:
        Gehring et al. 2017, arXiv:1705.03122, equations 1 and 2.
    """

    def __init__(self, channels: int, embed_dim: int) -> None:
        super().__init__()
        self.query = make_linear(channels, embed_dim)
        self.output = make_linear(embed_dim, channels)

    def forward(self, x: Tensor, embedded: Tensor, source: Source) -> Tensor:
        """
        Return (R, T, C).

        Args:
            x: (R, T, C) from a layer's convolutions.
            embedded: (R, T, D), the target's embeddings.
            source: of B sentences, of which R is a multiple.
        """
        queries = (self.query(x) + embedded) * SQRT_HALF
        by_sentence = queries.reshape(len(source.keys), -1, queries.shape[2])  # (B, W*T, D)
        weights = attention_weights(by_sentence, source).to(source.values.dtype)  # (B, W*T, S)
        context = torch.bmm(weights, source.values).view_as(queries)  # (R, T, D)
        out: Tensor = (self.output(context) + x) * SQRT_HALF
        return out


def attention_weights(queries: Tensor, source: Source) -> Tensor:
    """Return how much queries (B, T, D) attend to each source position, (B, T, S)."""
    scores = torch.bmm(queries.to(source.keys.dtype), source.keys.transpose(1, 2))
    return scores.float().masked_fill(source.is_padding, -torch.inf).softmax(-1)
