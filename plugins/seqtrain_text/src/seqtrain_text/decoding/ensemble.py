"""One or several models that decide together on the next token."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from seqtrain.api import IncrementalModel, TrainingError
from seqtrain_text.decoding.full_prefix import FullPrefixDecoding


class Ensemble:
    """
    Models in the midst of decoding B sentences of W rows each. Their probabilities are averaged.

    Args:
        models: at least one; in evaluation mode.
        net_input: what the models read, B rows each.
        beam: W.
        temperature: logits are divided by it, > 0.
    """

    def __init__(
        self, models: Sequence[nn.Module], net_input: Mapping[str, Tensor], *, beam: int, temperature: float = 1.0
    ) -> None:
        self._models = [model if isinstance(model, IncrementalModel) else FullPrefixDecoding(model) for model in models]
        self._states = [model.start_decoding(net_input, beam=beam) for model in self._models]
        self._temperature = temperature

    def step(self, tokens: Tensor) -> Tensor:
        """Append tokens (B*W, 1) and return the log-probabilities of what follows, (B*W, V)."""
        each = []
        for model, state in zip(self._models, self._states, strict=True):
            logits = model.decode_step(tokens, state)[:, -1].float()  # (B*W, V)
            each.append(torch.log_softmax(logits / self._temperature if self._temperature != 1 else logits, dim=-1))
        log_probs = mean_probability(each)
        refuse_nan(log_probs[:, 0])  # a NaN among the logits has made its whole row NaN
        return log_probs

    def reorder(self, rows: Tensor) -> None:
        """Let row r go on from what row `rows[r]` was; rows (B*W,) int64 stay within their own sentence."""
        for state in self._states:
            state.reorder(rows)

    def keep(self, sentences: Tensor) -> None:
        """Go on with these sentences only; sentences (B',) int64, ascending."""
        for state in self._states:
            state.keep(sentences)


def mean_probability(log_probs: Sequence[Tensor]) -> Tensor:
    """Return the logarithm of the mean of probabilities that are given as logarithms."""
    if len(log_probs) == 1:
        return log_probs[0]
    return torch.stack(list(log_probs)).logsumexp(0) - math.log(len(log_probs))


def refuse_nan(log_probs: Tensor) -> None:
    """
    Check that there are no NaN.

    Raises:
        TrainingError: a value is NaN, which would otherwise pass for an impossible token.
    """
    if bool(log_probs.isnan().any()):
        raise TrainingError(
            "The model's output is NaN, so nothing can be decoded. Its weights hold NaN or infinite values, "
            "or its arithmetic overflows: use an earlier checkpoint, or trainer.precision=fp32."
        )
