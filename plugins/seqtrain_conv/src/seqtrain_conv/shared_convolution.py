"""
Convolutions with few weights: a filter is shared by many channels, and its weights sum to 1.

R rows, T positions, D channels, H filters (each for D/H channels), K width of a filter.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from seqtrain_conv.decoding_state import InputBuffer


class SharedConvolution(nn.Module):
    """
    Replaces each position by a weighted mean of those around it.

    Args:
        width: K.
        weight_dropout: share of the filters' weights set to zero in training.
        causal: see no position after one's own; otherwise, as many on both sides, or one more after.
    """

    def __init__(self, width: int, weight_dropout: float, *, causal: bool) -> None:
        super().__init__()
        self.width = width
        self.dropout = nn.Dropout(weight_dropout)
        self.margin = width - 1 if causal else (width - 1) // 2  # positions seen before one's own

    @abstractmethod
    def filters(self, x: Tensor) -> Tensor:
        """Return the filter of each position of x (R, T, D), (R, H, T, K), or (H, T, K) if it is that of every row."""

    def forward(self, x: Tensor, buffer: InputBuffer | None = None) -> Tensor:
        """
        Map (R, T, D) to (R, T, D).

        Args:
            x: inputs, zero at padding.
            buffer: holds those before, for a causal convolution; x is added to it.
        """
        matrices = band_matrices(self.filters(x))  # (..., T, T + K - 1)
        if buffer is None:  # what the filters would see outside is zero
            matrices = matrices[..., self.margin : self.margin + x.shape[1]]  # (..., T, T)
        else:
            x = buffer.extend(x, self.width - 1)  # (R, T + K - 1, D)
        by_head = x.reshape(*x.shape[:2], matrices.shape[-3], -1)  # (R, S, H, D/H)
        rows = "r" if matrices.ndim == 4 else ""
        return torch.einsum(f"{rows}hts,rshd->rthd", matrices, by_head.to(matrices.dtype)).flatten(2)


class LightweightConvolution(SharedConvolution):
    """
    The same filters at all positions.

    Args:
        dim: D.
        num_filters: H.
        width: K.
        weight_dropout: see `SharedConvolution`.
        causal: likewise.

    Source:
        Wu et al. 2019, arXiv:1901.10430, section 3.
    """

    def __init__(self, dim: int, num_filters: int, width: int, weight_dropout: float, *, causal: bool) -> None:
        super().__init__(width, weight_dropout, causal=causal)
        self.weight = nn.Parameter(torch.empty(num_filters, width))
        nn.init.xavier_uniform_(self.weight[:, None])

    def filters(self, x: Tensor) -> Tensor:
        """Return (H, T, K)."""
        weights: Tensor = self.dropout(self.weight.softmax(-1))
        return weights[:, None].expand(-1, x.shape[1], -1)


class DynamicConvolution(SharedConvolution):
    """
    Each position makes its own filters from what stands there.

    Args:
        dim: D.
        num_filters: H.
        width: K.
        weight_dropout: see `SharedConvolution`.
        causal: likewise.

    Source:
        Wu et al. 2019, arXiv:1901.10430, section 4.
    """

    def __init__(self, dim: int, num_filters: int, width: int, weight_dropout: float, *, causal: bool) -> None:
        super().__init__(width, weight_dropout, causal=causal)
        self.make = nn.Linear(dim, num_filters * width, bias=False)

    def filters(self, x: Tensor) -> Tensor:
        """Return (R, H, T, K)."""
        scores = self.make(x).view(*x.shape[:2], -1, self.width).transpose(1, 2)
        weights: Tensor = self.dropout(scores.softmax(-1))
        return weights


def band_matrices(filters: Tensor) -> Tensor:
    """
    Lay filters out so that a matrix product applies them: row t has its K weights in columns t to t + K - 1.

    Args:
        filters: (..., T, K).

    Returns:
        (..., T, T + K - 1), zero elsewhere.
    """
    length, width = filters.shape[-2:]
    # Rows one too long, read as rows of the right length, are each shifted by one more.
    padded = nn.functional.pad(filters, (0, length)).flatten(-2)  # (..., T * (K + T))
    return padded[..., :-length].reshape(*filters.shape[:-1], length + width - 1)
