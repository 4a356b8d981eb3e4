"""
Attention to the source, as each layer of the convolutional encoder-decoder has it.

B sentences, R rows (B, or B*W when decoding with a beam of W), S source positions, T positions, C channels,
D size of embeddings.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqtrain_conv.decoding_state import Source
from seqtrain_conv.gated_convolution import SQRT_HALF
from seqtrain_conv.weight_norm import make_linear


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
