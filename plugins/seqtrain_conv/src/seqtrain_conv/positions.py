"""
Positions by formula.

R rows, T positions, D model size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

FIRST_POSITION = 2  # the number fairseq gives the first token (its padding id + 1): weights trained there stay good
LONGEST_WAVE = 10_000.0  # in positions, over 2 pi


def add_positions(x: Tensor, start: int) -> Tensor:
    """
    Scale token vectors to variance one and add sinusoids.

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
