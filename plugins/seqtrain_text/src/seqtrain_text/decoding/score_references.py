"""How likely the models find texts that are given."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from seqtrain.api import Batch
from seqtrain_text.decoding.ensemble import mean_probability, refuse_nan


@torch.no_grad()
def score_references(models: Sequence[nn.Module], batch: Batch, *, padding: int) -> list[list[float]]:
    """
    Compute the log-probability in nats of every target token of B sentences.

    Args:
        models: one, or several whose probabilities are averaged; in evaluation mode.
        batch: sentences with their targets (B, T).
        padding: the id that fills up the targets.

    Returns:
        For each sentence one value per target token, the end included; their sum is the sentence's log-probability.

    Raises:
        TrainingError: the models' output is NaN.
    """
    keep = batch.target != padding  # (B, T)
    values = mean_probability([_target_log_probs(model, batch) for model in models])  # (B, T)
    refuse_nan(values[keep])
    return [row[real].tolist() for row, real in zip(values, keep, strict=True)]


def _target_log_probs(model: nn.Module, batch: Batch) -> Tensor:
    """Return the model's log-probability of each target, (B, T)."""
    logits: Tensor = model(**batch.net_input)  # (B, T, V)
    losses = F.cross_entropy(logits.flatten(0, 1).float(), batch.target.flatten(), reduction="none")
    return -losses.view_as(batch.target)
