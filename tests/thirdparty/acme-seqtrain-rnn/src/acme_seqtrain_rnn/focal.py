"""The criterion `focal`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from acme_seqtrain_rnn.config import FocalConfig
    from seqtrain.api import Batch, LoggingOutput, ModelSpec


class FocalLoss:
    """
    Sum -(1 - p)^gamma ln p over real targets, where p is the probability of the target.

    Source:
        Lin et al. 2017, arXiv:1708.02002, equation 4.
    """

    def __init__(self, config: FocalConfig, *, spec: ModelSpec) -> None:
        self._focus, self._padding = config.focus, spec.padding

    def __call__(self, model: nn.Module, sample: Batch, /) -> tuple[Tensor, int, LoggingOutput]:
        """Return the summed loss in nats, the number of targets, and sums to log; `nll_loss` is the cross entropy."""
        logits = model(**sample.net_input)
        log_p = logits.float().log_softmax(-1).gather(-1, sample.target[..., None]).squeeze(-1)
        if sample.target.dim() == 2:  # of labels, none is padding
            log_p = log_p.masked_fill(sample.target == self._padding, 0.0)  # p = 1, which costs nothing
        missing = -log_p.expm1()  # 1 - p, exact also where p is close to 1
        loss = -(missing**self._focus * log_p).sum()
        sums = {"loss": loss.detach(), "nll_loss": -log_p.detach().sum(), "num_targets": sample.num_targets}
        return loss, sample.num_targets, sums
