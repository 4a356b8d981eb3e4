"""
Normalisation of vectors: LayerNorm, or RMSNorm.

D model size; all but the last dimension of a tensor are of any shape.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name all torch code has for it
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from seqtrain_transformer.config import LayerConfig

EPSILON = 1e-6  # keeps a vector of zeros from being divided by zero


def make_norm(config: LayerConfig) -> nn.Module:
    """Return the norm that a config asks for, for vectors of its embed_dim."""
    return RMSNorm(config.embed_dim, EPSILON) if config.norm == "rms" else nn.LayerNorm(config.embed_dim)


def rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    """
    Divide vectors by the root of their mean square, and multiply by a weight.

    Args:
        x: (..., D).
        weight: (D,).

    Source:
        Zhang and Sennrich 2019, arXiv:1910.07467, equation 4.
    """
    if x.device.type != "cpu":
        on_device: Tensor = F.rms_norm(x, weight.shape, weight, EPSILON)
        return on_device
    # There torch's own is made of single steps: with its backward pass, three times the time of this.
    normed: Tensor = _RMSNormFunction.apply(x, weight)  # type: ignore[no-untyped-call]
    return normed


class _RMSNormFunction(torch.autograd.Function):
    """With r = 1 / RMS(x), u = x r, y = u w: dL/dx = r (g w - u mean(g w u)), dL/dw = sum(g u), where g = dL/dy."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        scale = norm.square_().div_(x.shape[-1]).add_(EPSILON).rsqrt_()  # (..., 1)
        ctx.save_for_backward(x, weight, scale)
        normed: Tensor = (x * scale).mul_(weight)
        return normed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, weight, scale = ctx.saved_tensors
        unit = x * scale
        of_weight = (gradient * unit).flatten(0, -2).sum(0)
        of_unit = gradient * weight
        along = (of_unit * unit).mean(-1, keepdim=True)  # (..., 1)
        return of_unit.addcmul_(unit, along, value=-1).mul_(scale), of_weight


class RMSNorm(nn.RMSNorm):
    """torch's RMSNorm, computed by `rms_norm`."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (..., D)."""
        return rms_norm(x, self.weight)
