"""The criterion `rdrop`: two passes with different dropout, which are pulled towards each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.utils.checkpoint import checkpoint

from seqtrain.api import LoggingOutput, ModelSpec, OffersFeatures
from seqtrain_criteria.cross_entropy import label_smoothed_cross_entropy
from seqtrain_criteria.linear_cross_entropy import log_sums, row_losses, to_log_probs
from seqtrain_criteria.target_rows import at_rows, target_rows

if TYPE_CHECKING:
    from torch import Tensor, nn

    from seqtrain.api import Batch
    from seqtrain_criteria.config import RDropConfig


class RDrop:
    """
    Sum label-smoothed cross entropy, the mean of two passes, and half of `alpha` times their divergence.

    With P and Q what the two passes say of a target y, and CE the loss of one pass, a target costs::

        (CE(P, y) + CE(Q, y)) / 2  +  alpha / 2 * kl,        kl = (KL(P || Q) + KL(Q || P)) / 2

    That is half of the paper's loss, and the mean that fairseq forms: a target counts once, although it is seen twice,
    so the learning rate of other criteria fits. In evaluation there is no dropout, and so only one pass.

    Source:
        Wu et al., "R-Drop: regularized dropout for neural networks" (2021), equation 4.
    """

    def __init__(self, config: RDropConfig, *, spec: ModelSpec) -> None:
        self.config, self.padding = config, spec.padding
        self._single_pass = label_smoothed_cross_entropy(config, spec=spec)

    def __call__(self, model: nn.Module, sample: Batch, /) -> tuple[Tensor, int, LoggingOutput]:
        """Run the model twice in training, once in evaluation, and sum the loss over the real targets."""
        if not model.training:
            return self._single_pass(model, sample)
        rows = target_rows(sample, self.padding)
        target = sample.target.flatten().index_select(0, rows)  # (N,)
        if isinstance(model, OffersFeatures):
            features = [
                at_rows(model(**sample.net_input, features_only=True), rows, sample.target) for _ in range(2)
            ]  # (N, D)
            sums = self._sum_chunks(features, model.output_projection, target)
        else:
            logits = [at_rows(model(**sample.net_input), rows, sample.target) for _ in range(2)]  # (N, V)
            sums = self._sums(logits[0], logits[1], target)
        cross_entropy, nll_loss, kl_loss = sums.unbind()
        loss = cross_entropy + self.config.alpha / 2 * kl_loss
        count = sample.num_targets
        logged = {"loss": loss.detach(), "nll_loss": nll_loss.detach(), "kl_loss": kl_loss.detach()}
        return loss, count, {**logged, "num_targets": count}

    def _sum_chunks(self, features: list[Tensor], projection: nn.Linear, target: Tensor) -> Tensor:
        """Return what `_sums` would for the projected features; logits are formed again in the backward pass."""

        def of_chunk(one: Tensor, other: Tensor, target: Tensor) -> Tensor:
            return self._sums(projection(one), projection(other), target)

        chunks = zip(*(torch.split(each, self.config.chunk_rows) for each in (*features, target)), strict=True)
        return torch.stack(
            [checkpoint(of_chunk, *chunk, use_reentrant=False, preserve_rng_state=False) for chunk in chunks]
        ).sum(0)

    def _sums(self, one: Tensor, other: Tensor, target: Tensor) -> Tensor:
        """
        Return cross entropy, negative log-likelihood (means of the passes) and divergence, summed over rows: (3,).

        Args:
            one: logits of the first pass, (N, V).
            other: those of the second.
            target: (N,) indices into V.
        """
        log_p, log_q = to_log_probs(one), to_log_probs(other)
        losses, nlls = zip(
            *(row_losses(each, target, self.config.label_smoothing) for each in (log_p, log_q)), strict=True
        )
        sums = [(losses[0] + losses[1]).sum() / 2, (nlls[0] + nlls[1]).sum() / 2]
        if self.config.z_loss:
            squares = log_sums(one).square() + log_sums(other).square()
            sums[0] = sums[0] + self.config.z_loss * squares.sum() / 2
        # KL(P || Q) + KL(Q || P) = sum_v (p - q) * (ln p - ln q)
        sums.append(((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum() / 2)
        return torch.stack(sums)
