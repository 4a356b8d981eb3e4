"""
The criteria `cross_entropy` and `label_smoothed_cross_entropy`.

Both sum over real targets and divide by nothing, so that a batch may be split in any way.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from seqtrain.api import Criterion, LoggingOutput, ModelSpec, OffersFeatures
from seqtrain_criteria.linear_cross_entropy import cross_entropy_sums, linear_cross_entropy_sums

if TYPE_CHECKING:
    from torch import Tensor, nn

    from seqtrain.api import Batch
    from seqtrain_criteria.config import CrossEntropyConfig, LabelSmoothedCrossEntropyConfig


def cross_entropy(config: CrossEntropyConfig, *, spec: ModelSpec) -> Criterion:
    """Make the criterion that sums -ln p(target)."""
    return partial(_criterion, padding=spec.padding, smoothing=0.0, chunk_rows=config.chunk_rows)


def label_smoothed_cross_entropy(config: LabelSmoothedCrossEntropyConfig, *, spec: ModelSpec) -> Criterion:
    """Make the criterion that sums the label-smoothed loss; it logs the plain one besides, as `nll_loss`."""
    return partial(_criterion, padding=spec.padding, smoothing=config.label_smoothing, chunk_rows=config.chunk_rows)


def _criterion(
    model: nn.Module, sample: Batch, /, *, padding: int, smoothing: float, chunk_rows: int
) -> tuple[Tensor, int, LoggingOutput]:
    """
    Run the model and sum its loss over the real targets.

    Args:
        model: gives logits (B, T, V) or (B, C), or features (B, T, D) where it can.
        sample: its target is (B, T) ids, `padding` where there is none, or (B,) labels, all of them real.
        padding: the target id that is not a target.
        smoothing: see `cross_entropy_sums`.
        chunk_rows: see `linear_cross_entropy_sums`.

    Returns:
        Summed loss in nats, number of targets, sums to log.
    """
    rows = _target_rows(sample, padding)
    target = sample.target.flatten().index_select(0, rows)  # (N,)
    if isinstance(model, OffersFeatures):
        features = model(**sample.net_input, features_only=True).flatten(0, -2).index_select(0, rows)  # (N, D)
        loss, nll_loss = linear_cross_entropy_sums(
            features, model.output_projection, target, smoothing=smoothing, chunk_rows=chunk_rows
        )
    else:
        logits = model(**sample.net_input).flatten(0, -2).index_select(0, rows)  # (N, V) or (B, C)
        loss, nll_loss = cross_entropy_sums(logits, target, smoothing=smoothing)
    count = sample.num_targets
    return loss, count, {"loss": loss.detach(), "nll_loss": nll_loss.detach(), "num_targets": count}


def _target_rows(sample: Batch, padding: int) -> Tensor:
    """Return where the real targets lie in the flattened batch, in order: (N,), N of them."""
    if sample.target.dim() == 1:
        # Labels are all real: one of them may well have the number of the padding id.
        return torch.arange(len(sample.target), device=sample.target.device)
    # A stable sort brings them to the front. Unlike nonzero() it need not wait for the device to count them.
    is_padding = (sample.target.flatten() == padding).to(torch.uint8)
    return is_padding.argsort(stable=True)[: sample.num_targets]
