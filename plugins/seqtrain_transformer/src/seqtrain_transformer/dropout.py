"""
Dropout that is cheap on a CPU.

torch's own draws one Bernoulli number an element there, which takes as long as a layer of a small model. Here eight
elements share one random 64-bit word, a byte each; an element is kept if its byte reaches a threshold.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name all torch code has for it
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

BYTE_VALUES = 256


def dropout(x: Tensor, p: float) -> Tensor:
    """
    Set elements to zero with probability p and scale the others up, so that the expectation stays exactly the same.

    On a CPU p is rounded to a multiple of 1/256 (but never to 0 or 1), and the scale fits the rounded p.
    Draws from torch's default generator: `torch.manual_seed` reproduces the result, with any number of threads.

    Args:
        x: of any shape, floating point.
        p: probability of being set to zero, in [0, 1).
    """
    if p == 0:
        return x
    if x.device.type != "cpu" or torch.compiler.is_compiling():  # which fuses torch's own with what is around it
        return F.dropout(x, p)
    threshold = min(max(round(p * BYTE_VALUES), 1), BYTE_VALUES - 1)
    dropped: Tensor = _ByteDropout.apply(x, random_bytes(x.shape), threshold)  # type: ignore[no-untyped-call]
    return dropped


def random_bytes(shape: torch.Size) -> Tensor:
    """Return uint8 numbers, each value in [0, 256) equally likely, on the CPU."""
    count = shape.numel()
    words = torch.empty((count + 7) // 8, dtype=torch.int64, device="cpu")
    words.random_(-(2**63), None)  # the full range; the default range leaves the top bit of every word 0
    return words.view(torch.uint8)[:count].view(shape)


class _ByteDropout(torch.autograd.Function):
    """Keeps only the bytes for the backward pass: a quarter of the memory of a float mask."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, noise: Tensor, threshold: int) -> Tensor:
        ctx.save_for_backward(noise)
        ctx.threshold = threshold
        return _drop(x, noise, threshold)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (noise,) = ctx.saved_tensors
        return _drop(gradient, noise, ctx.threshold), None, None


def _drop(x: Tensor, noise: Tensor, threshold: int) -> Tensor:
    # Comparing floats in place is vectorised where a bool mask is not: a tenth of the time. Floats hold bytes exactly.
    kept = noise.to(x.dtype).ge_(threshold)  # 1 or 0
    return kept.mul_(x).mul_(BYTE_VALUES / (BYTE_VALUES - threshold))


class Dropout(nn.Module):
    """
    Dropout in training mode, nothing in evaluation mode.

    Args:
        p: see `dropout`.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Drop elements of x, of any shape."""
        return dropout(x, self.p) if self.training else x

    def extra_repr(self) -> str:
        """Return what `print(model)` shows."""
        return f"p={self.p}"
