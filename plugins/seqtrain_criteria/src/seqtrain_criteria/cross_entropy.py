"""
The criteria `cross_entropy` and `label_smoothed_cross_entropy`.

Both sum over real targets and divide by nothing, so that a batch may be split in any way. `masked_lm` and
`adaptive_loss` are other names for the first: a batch says which tokens were masked, and a model whether its softmax
is adaptive.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from seqtrain.api import Criterion, LoggingOutput, ModelSpec, OffersAdaptiveSoftmax, OffersFeatures
from seqtrain_criteria.linear_cross_entropy import cross_entropy_sums, linear_cross_entropy_sums
from seqtrain_criteria.target_rows import at_rows, target_rows

if TYPE_CHECKING:
    from torch import Tensor, nn

    from seqtrain.api import Batch
    from seqtrain_criteria.config import CrossEntropyConfig, LabelSmoothedCrossEntropyConfig


def cross_entropy(config: CrossEntropyConfig, *, spec: ModelSpec) -> Criterion:
    """Make the criterion that sums -ln p(target)."""
    return partial(_criterion, config=config, padding=spec.padding, smoothing=0.0)


def label_smoothed_cross_entropy(config: LabelSmoothedCrossEntropyConfig, *, spec: ModelSpec) -> Criterion:
    """Make the criterion that sums the label-smoothed loss; it logs the plain one besides, as `nll_loss`."""
    return partial(_criterion, config=config, padding=spec.padding, smoothing=config.label_smoothing)


def _criterion(
    model: nn.Module, sample: Batch, /, *, config: CrossEntropyConfig, padding: int, smoothing: float
) -> tuple[Tensor, int, LoggingOutput]:
    """
    Run the model and sum its loss over the real targets.

    Args:
        model: gives logits (B, T, V) or (B, C), or features (B, T, D) where it can.
        sample: see `target_rows`.
        config: what is added to the loss, and how many logits are held at once.
        padding: the target id that is not a target.
        smoothing: see `cross_entropy_sums`.

    Returns:
        Summed loss in nats, number of targets, sums to log.
    """
    rows = target_rows(sample, padding)
    target = sample.target.flatten().index_select(0, rows)  # (N,)
    if isinstance(model, OffersFeatures):
        features = at_rows(model(**sample.net_input, features_only=True), rows, sample.target)  # (N, D)
        loss, nll_loss = linear_cross_entropy_sums(
            features,
            model.output_projection,
            target,
            smoothing=smoothing,
            z_loss=config.z_loss,
            chunk_rows=config.chunk_rows,
        )
    elif isinstance(model, OffersAdaptiveSoftmax) and not smoothing:
        features = at_rows(model(**sample.net_input, features_only=True), rows, sample.target)  # (N, D)
        # The rare symbols' probabilities are formed only where one of them is the target. They sum to 1: no z-loss.
        with torch.autocast(features.device.type, enabled=False):  # torch's layer cannot mix types
            wide = features.to(torch.promote_types(features.dtype, torch.float32))
            loss = nll_loss = -model.adaptive_softmax(wide, target).output.sum()
    else:
        logits = at_rows(model(**sample.net_input), rows, sample.target)  # (N, V) or (B, C)
        loss, nll_loss = cross_entropy_sums(logits, target, smoothing=smoothing, z_loss=config.z_loss)
    count = sample.num_targets
    return loss, count, {"loss": loss.detach(), "nll_loss": nll_loss.detach(), "num_targets": count}
