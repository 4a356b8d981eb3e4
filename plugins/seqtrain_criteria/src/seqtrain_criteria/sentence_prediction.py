"""
The criteria of whole examples: `sentence_prediction` and `sentence_ranking`.

B examples, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from seqtrain.api import ConfigError, LoggingOutput, ModelSpec
from seqtrain_criteria.linear_cross_entropy import row_losses, to_log_probs
from seqtrain_criteria.target_rows import refuse_other_shape

if TYPE_CHECKING:
    from torch import Tensor, nn

    from seqtrain.api import Batch
    from seqtrain_criteria.config import SentencePredictionConfig, SentenceRankingConfig

Totals = tuple["Tensor", int, LoggingOutput]


class SentencePrediction:
    """
    Sum a loss over examples, of the kind that the targets ask for.

    - (B,) int64, a label each: cross entropy, with smoothing, times the weight of the label;
    - (B, C) floats, 0 or 1 for each class: binary cross entropy summed over classes, each times its weight;
    - (B,) floats, a number each, from a model of one class: squared error.

    Each example counts once, whatever its weight. `accuracy` is logged besides: the examples all of whose labels are
    right.

    Raises:
        ConfigError: the task has no classes, or settings do not fit them.
    """

    def __init__(self, config: SentencePredictionConfig, *, spec: ModelSpec) -> None:
        num_classes = _num_classes(spec, "sentence_prediction")
        weights = config.class_weights
        if num_classes == 1 and (config.label_smoothing or weights):
            raise ConfigError(
                "criterion.label_smoothing and criterion.class_weights are for labels, and this task predicts a "
                "number; set label_smoothing=0 and class_weights=null"
            )
        if weights is not None and len(weights) != num_classes:
            raise ConfigError(
                f"criterion.class_weights: expected {num_classes} numbers, one for each class in the order of the "
                f"labels, got {len(weights)}"
            )
        self._smoothing = config.label_smoothing
        self._weights = torch.tensor(weights or [1.0] * num_classes)  # (C,)

    def __call__(self, model: nn.Module, sample: Batch, /) -> Totals:
        """Run the model and sum its loss."""
        logits, target = model(**sample.net_input), sample.target  # (B, C)
        if not target.is_floating_point():
            refuse_other_shape(logits, target)
            return _classify(logits, target, self._smoothing, self._weights.to(target.device))
        refuse_other_shape(logits, target if target.dim() == 1 else target[:, 0])
        if target.dim() == 1:
            loss = mse_loss(logits.squeeze(-1).float(), target.float(), reduction="sum")
            return loss, len(target), {"loss": loss.detach(), "num_targets": len(target)}
        return self._tag(logits, target)

    def _tag(self, logits: Tensor, target: Tensor) -> Totals:
        if self._smoothing:
            raise ConfigError(
                "criterion.label_smoothing is for examples with one label each, and here they may have several; "
                "set label_smoothing=0"
            )
        weights = self._weights.to(target.device)
        loss = binary_cross_entropy_with_logits(logits.float(), target.float(), weights, reduction="sum")
        right = ((logits > 0) == (target > 0)).all(-1)
        return loss, len(target), {"loss": loss.detach(), "accuracy": right.sum(), "num_targets": len(target)}


class SentenceRanking:
    """
    Sum -ln p(right candidate) over examples; `accuracy` is logged besides.

    A batch of B examples with K candidates each has B * K rows in `net_input`, the candidates of an example one after
    another, and target (B,) int64 says which of them is right, from 0. The model gives each row a score, (B * K, 1);
    one that gives (B, K) is understood too.

    Raises:
        ConfigError: the task has no classes.
    """

    def __init__(self, config: SentenceRankingConfig, *, spec: ModelSpec) -> None:
        del config  # there is nothing to set
        _num_classes(spec, "sentence_ranking")

    def __call__(self, model: nn.Module, sample: Batch, /) -> Totals:
        """Run the model on all candidates and sum the loss."""
        if sample.target.is_floating_point():
            raise ConfigError(
                "criterion.name=sentence_ranking is for examples of which one candidate is right, and the task gives "
                "each several labels or a number; set criterion.name=sentence_prediction"
            )
        scores = model(**sample.net_input)  # (B * K, 1) or (B, K)
        refuse_other_shape(scores, scores[:, 0] if scores.dim() == 2 else sample.target)
        scores = scores.reshape(len(sample.target), -1)  # (B, K)
        return _classify(scores, sample.target, 0.0, scores.new_ones(scores.size(1)))


def _num_classes(spec: ModelSpec, criterion: str) -> int:
    if spec.num_classes is None:
        raise ConfigError(
            f"criterion.name={criterion} is for tasks with labels, such as classify, and this one has tokens to "
            "predict; set criterion.name=cross_entropy"
        )
    return spec.num_classes


def _classify(logits: Tensor, target: Tensor, smoothing: float, weights: Tensor) -> Totals:
    """Sum cross entropy over labels (B,), each times the weight (C,) of its label."""
    loss, nll = row_losses(to_log_probs(logits), target, smoothing)  # (B,)
    loss = (loss * weights[target]).sum()
    right = (logits.argmax(-1) == target).sum()
    sums = {"loss": loss.detach(), "nll_loss": nll.detach().sum(), "accuracy": right}
    return loss, len(target), {**sums, "num_targets": len(target)}
