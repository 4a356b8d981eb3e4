"""
Position embeddings: a formula, or a learned table.

B sequences, T positions, D model size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from seqtrain.api import DataError

FIRST_POSITION = 2  # the number fairseq gives the first token (its padding id + 1): weights trained there stay good
LONGEST_WAVE = 10_000.0  # in positions, over 2 pi


def sinusoids(start: int, length: int, dim: int, device: torch.device | None = None) -> Tensor:
    """
    Return the embeddings of `length` positions from `start` on.

    Row p holds sin(p w_i) for i = 0 .. D/2 - 1 and then cos(p w_i), where w_i falls from 1 to 1/10,000 in equal ratios.
    Computed when needed, since a table would have to be bounded, moved and saved for a few microseconds a batch.

    Args:
        start: number of the first position.
        length: T.
        dim: D, even.
        device: where to put them.

    Returns:
        (T, D) float32.

    Source:
        Vaswani et al. 2017, arXiv:1706.03762, section 3.5; sines and cosines in two halves, as in their code.
    """
    half = dim // 2
    ratio = -math.log(LONGEST_WAVE) / max(half - 1, 1)
    frequencies = torch.exp(torch.arange(half, device=device, dtype=torch.float32) * ratio)  # (D/2,)
    angles = torch.arange(start, start + length, device=device, dtype=torch.float32)[:, None] * frequencies  # (T, D/2)
    return torch.cat((angles.sin(), angles.cos()), dim=1)


class SinusoidalPositions(nn.Module):
    """Positions by formula, for sequences of any length."""

    def forward(self, embedded: Tensor, start: int) -> Tensor:
        """Return (T, D) embeddings for tokens embedded as (B, T, D) whose first stands at index `start`."""
        length, dim = embedded.shape[1:]
        return sinusoids(FIRST_POSITION + start, length, dim, embedded.device).to(embedded.dtype)


class LearnedPositions(nn.Module):
    """
    One learned vector for each position.

    Args:
        max_positions: how many there are.
        dim: D.
        side: "source" or "target", for the error message.
    """

    def __init__(self, max_positions: int, dim: int, *, side: str) -> None:
        super().__init__()
        self.side = side
        self.weight = nn.Parameter(torch.empty(max_positions, dim))
        nn.init.normal_(self.weight, std=dim**-0.5)

    def forward(self, embedded: Tensor, start: int) -> Tensor:
        """
        Return (T, D) embeddings for tokens embedded as (B, T, D) whose first stands at index `start`.

        Raises:
            DataError: there are more tokens than learned positions.
        """
        stop = start + embedded.shape[1]
        if stop > len(self.weight):
            raise DataError(
                f"A {self.side} sequence has {stop} tokens, but this model has learned {len(self.weight)} positions. "
                "Shorten or leave out such sequences, or train with model.positions=sinusoidal, which takes any length."
            )
        return self.weight[start:stop]
