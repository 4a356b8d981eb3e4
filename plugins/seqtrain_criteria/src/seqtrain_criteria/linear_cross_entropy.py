"""
Summed cross entropy, from logits or from the features that a projection turns into logits.

With V symbols, e the smoothing and e_i = e / (V - 1), a target y costs

    (1 - e - e_i) * nll + e_i * sum_v(-ln p_v),    nll = -ln p_y

which is the cross entropy against a distribution with 1 - e on y and e_i on every other symbol. Its gradient by the
logits is p - e_i, less another 1 - e - e_i at y. The z-loss adds z * (ln Z)^2, with Z the sum of exp(logits), which
keeps ln Z near 0; its gradient is 2 * z * ln Z * p.

The logits of a large batch take more memory and time than all the rest of a small model. `linear_cross_entropy_sums`
forms them a few rows at a time and turns each piece into its gradient before it forms the next. So the gradient is
ready when the forward pass ends, and the backward pass only scales it.

Source:
    Smoothing as in fairseq's label_smoothed_cross_entropy. `torch.nn.functional.cross_entropy` spreads its mass over
    y too; it gives the same loss with label_smoothing = e * V / (V - 1). The z-loss is that of Chowdhery et al., "PaLM"
    (2022), section 5, with 1e-4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn.functional import linear


def cross_entropy_sums(
    logits: Tensor, target: Tensor, *, smoothing: float, z_loss: float = 0.0
) -> tuple[Tensor, Tensor]:
    """
    Return the summed loss and the summed negative log-likelihood, in nats and at least in float32.

    Args:
        logits: (N, V).
        target: (N,) indices into V.
        smoothing: e, the probability mass given to the symbols that are not the target, in [0, 1).
        z_loss: z, the weight of (ln Z)^2.
    """
    loss, nll = row_losses(to_log_probs(logits), target, smoothing)
    if z_loss:
        loss = loss + z_loss * log_sums(logits).square()
    return loss.sum(), nll.sum()


def linear_cross_entropy_sums(
    features: Tensor, projection: nn.Linear, target: Tensor, *, smoothing: float, z_loss: float = 0.0, chunk_rows: int
) -> tuple[Tensor, Tensor]:
    """
    Return what `cross_entropy_sums` would for the projected features, without ever holding all logits.

    Under autocast the products are formed in its type; losses and the weight's gradient are summed in the wider one.

    Args:
        features: (N, D).
        projection: D to V.
        target: (N,) indices into V.
        smoothing: see `cross_entropy_sums`.
        z_loss: likewise.
        chunk_rows: rows of logits held at once.

    Returns:
        The loss, which can be differentiated once, and the negative log-likelihood, which cannot.
    """
    inputs = [features, projection.weight]
    if projection.bias is not None:
        inputs.append(projection.bias)
    if not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)):
        return _sum_chunks(inputs, target, smoothing, z_loss, chunk_rows, gradients=None)
    gradients = [torch.zeros_like(tensor) for tensor in inputs]
    loss, nll = _sum_chunks(inputs, target, smoothing, z_loss, chunk_rows, gradients=gradients)
    return _KnownGradient.apply(loss, gradients, *inputs), nll  # type: ignore[no-untyped-call]


def to_log_probs(logits: Tensor) -> Tensor:
    """Return ln p of the same shape, at least in float32."""
    return logits.log_softmax(-1, dtype=_wide(logits.dtype))


def log_sums(logits: Tensor) -> Tensor:
    """Return ln Z of each row, (N,), at least in float32."""
    return logits.to(_wide(logits.dtype)).logsumexp(-1)


def row_losses(log_probs: Tensor, target: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Return each row's loss and negative log-likelihood, (N,) both, from ln p (N, V)."""
    nll = -log_probs.gather(1, target[:, None]).squeeze(1)
    if smoothing == 0:
        return nll, nll
    each_other = smoothing / (log_probs.size(1) - 1)
    return (1 - smoothing - each_other) * nll - each_other * log_probs.sum(1), nll


@torch.no_grad()
def _sum_chunks(
    inputs: Sequence[Tensor],
    target: Tensor,
    smoothing: float,
    z_loss: float,
    chunk_rows: int,
    *,
    gradients: Sequence[Tensor] | None,
) -> tuple[Tensor, Tensor]:
    """
    Sum the losses chunk by chunk.

    Args:
        inputs: features (N, D), weight (V, D) and perhaps bias (V,).
        target: (N,).
        smoothing: see `cross_entropy_sums`.
        z_loss: likewise.
        chunk_rows: rows of logits held at once.
        gradients: zeros of the inputs' shapes, to which the loss's gradient is added; None where nobody needs it.
    """
    device = inputs[0].device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else inputs[0].dtype
    with torch.autocast(device, enabled=False):
        features, weight, *bias = (tensor.to(dtype) for tensor in inputs)
        sums = torch.zeros(2, dtype=_wide(dtype), device=features.device)
        for start in range(0, len(target), chunk_rows):
            rows = slice(start, start + chunk_rows)
            logits = linear(features[rows], weight, *bias)  # (chunk_rows, V)
            log_probs = to_log_probs(logits)
            loss, nll = row_losses(log_probs, target[rows], smoothing)
            ln_z = log_sums(logits) if z_loss else None
            if ln_z is not None:
                loss = loss + z_loss * ln_z.square()
            sums += torch.stack([loss.sum(), nll.sum()])
            if gradients is not None:
                mass = None if ln_z is None else 1 + 2 * z_loss * ln_z
                slope = _overwrite_by_gradient(log_probs, target[rows], smoothing, mass).to(dtype)
                gradients[0][rows] = slope @ weight
                gradients[1].add_(slope.t() @ features[rows])
                for bias_gradient in gradients[2:]:
                    bias_gradient.add_(slope.sum(0))
    return sums[0], sums[1]


def _wide(dtype: torch.dtype) -> torch.dtype:
    """Return the type to sum in: float64 for itself, float32 for all others."""
    return torch.promote_types(dtype, torch.float32)


def _overwrite_by_gradient(log_probs: Tensor, target: Tensor, smoothing: float, mass: Tensor | None) -> Tensor:
    """Turn ln p (N, V), in place, into the gradient of the summed loss by the logits; p counts `mass` (N,) times."""
    each_other = smoothing / (log_probs.size(1) - 1)
    gradient = log_probs.exp_()
    if mass is not None:
        gradient.mul_(mass[:, None])
    if smoothing:
        gradient.sub_(each_other)
    at_target = gradient.new_full((1, 1), smoothing + each_other - 1).expand(len(target), 1)
    return gradient.scatter_add_(1, target[:, None], at_target)


class _KnownGradient(torch.autograd.Function):
    """Give a loss whose gradient is known already its place in the graph."""

    @staticmethod
    def forward(ctx: FunctionCtx, loss: Tensor, gradients: Sequence[Tensor], *_inputs: Tensor) -> Tensor:
        ctx.save_for_backward(*gradients)
        return loss.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *(grad_output * gradient for gradient in ctx.saved_tensors)
