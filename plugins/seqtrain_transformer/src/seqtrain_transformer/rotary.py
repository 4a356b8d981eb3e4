"""
Rotary positions: heads turned by angles that grow with the position.

The product of a query and a key then depends on how far apart they stand, not on where. So nothing is added to
embeddings, values keep their directions, and there is no table that could end.

R rows, T positions, H heads, K size of one head.
"""

from __future__ import annotations

import torch
from torch import Tensor

BASE = 10_000.0


def rotation(start: int, length: int, head_dim: int, device: torch.device | None = None) -> Tensor:
    """
    Return what `length` positions from `start` on are turned by.

    Position p turns pair i of a head's units by the angle p / 10,000^(2 i / K), i = 0 .. K/2 - 1.

    Args:
        start: number of the first position, counted from 0.
        length: T.
        head_dim: K, even.
        device: where to put it.

    Returns:
        (T, K/2) complex64 numbers of length 1.

    Source:
        Su et al. 2021, arXiv:2104.09864, equations 14 and 15; a pair are two neighbours, as there.
    """
    exponents = torch.arange(0, head_dim, 2, device=device, dtype=torch.float32) / head_dim  # (K/2,)
    positions = torch.arange(start, start + length, device=device, dtype=torch.float32)
    angles = positions[:, None] * BASE**-exponents  # (T, K/2)
    return torch.polar(torch.ones_like(angles), angles)


def rotate(x: Tensor, by: Tensor) -> Tensor:
    """
    Turn every head of x.

    Args:
        x: (R, T, H*K) queries or keys.
        by: (T, K/2), from `rotation`.

    Returns:
        (R, T, H*K) of x's type.
    """
    # One complex product takes a quarter of the time of products with sines and cosines. There is no complex bfloat16.
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    pairs = torch.view_as_complex(wide.view(*x.shape[:2], -1, by.shape[1], 2))  # (R, T, H, K/2)
    return torch.view_as_real(pairs * by[:, None]).flatten(2).to(x.dtype)
