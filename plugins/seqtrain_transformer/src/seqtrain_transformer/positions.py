"""
Position embeddings: a formula, or a learned table; and how far positions go.

B sequences, T positions, D model size.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seqtrain.api import DataError
from seqtrain_transformer.config import LayerConfig

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
    """Positions by formula."""

    def forward(self, embedded: Tensor, start: int) -> Tensor:
        """Return (T, D) embeddings for tokens embedded as (B, T, D) whose first stands at index `start`."""
        length, dim = embedded.shape[1:]
        return sinusoids(FIRST_POSITION + start, length, dim, embedded.device).to(embedded.dtype)


class LearnedPositions(nn.Embedding):
    """
    One learned vector for each position.

    Args:
        max_positions: how many there are.
        dim: D.
        std: of the initial, normal weights.
    """

    def __init__(self, max_positions: int, dim: int, *, std: float) -> None:
        super().__init__(max_positions, dim, _weight=torch.empty(max_positions, dim))
        nn.init.normal_(self.weight, std=std)

    # A stretch of the table, not rows looked up. Being an nn.Embedding tells optimizers what kind of matrix this is.
    def forward(self, embedded: Tensor, start: int) -> Tensor:  # type: ignore[override]
        """Return (T, D) embeddings for tokens embedded as (B, T, D) whose first stands at index `start`."""
        return self.weight[start : start + embedded.shape[1]]


class PositionLimit(NamedTuple):
    """
    How long sequences may be.

    Args:
        longest: in tokens; None: any length.
        side: "source" or "target", for the error message; "" where there is only one.
        learned: each position has a learned vector, so that there is no way around the limit.
    """

    longest: int | None
    side: str
    learned: bool

    def check(self, length: int) -> None:
        """
        Check a length in tokens.

        Raises:
            DataError: it is beyond the limit.
        """
        if self.longest is None or length <= self.longest:
            return
        sequence = f"A {self.side} sequence" if self.side else "A sequence"
        if self.learned:
            known, remedy = (
                f"has learned {self.longest} positions",
                "train with model.positions=sinusoidal or rotary and",
            )
        else:
            known, remedy = f"was made for up to {self.longest}", "set"
        raise DataError(
            f"{sequence} has {length} tokens, but this model {known}. Shorten or leave out such sequences, or {remedy} "
            "model.extend_positions=true, which takes any length. The further beyond, the worse the results."
        )


def position_limit(config: LayerConfig, max_positions: int, *, side: str) -> PositionLimit:
    """Return the limit that a config sets where the task's longest sequence has `max_positions` tokens."""
    learned = config.positions == "learned"
    return PositionLimit(max_positions if learned or not config.extend_positions else None, side, learned)


def places_in_documents(documents: Tensor) -> Tensor:
    """Return where in its document each token stands, from 0 on, (B, T) int64; documents (B, T) says which it is of."""
    index = torch.arange(documents.shape[1], device=documents.device)
    is_first = torch.ones_like(documents, dtype=torch.bool)
    is_first[:, 1:] = documents[:, 1:] != documents[:, :-1]
    return index - (index * is_first).cummax(dim=1).values
