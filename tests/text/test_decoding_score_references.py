"""The log-probabilities of given translations."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from seqtrain.batch import Batch
from seqtrain.errors import TrainingError
from seqtrain_text.decoding import score_references

PAD, EOS = 0, 2


class Fixed(nn.Module):
    """Gives one distribution everywhere."""

    def __init__(self, *probabilities: float) -> None:
        super().__init__()
        self.logits = torch.tensor(probabilities).log() + 3.0  # unnormalised

    def forward(self, prev_output_tokens: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(*prev_output_tokens.shape, -1)


def batch(*rows: list[int]) -> Batch:
    target = torch.tensor(rows)
    return Batch(
        ids=torch.arange(len(rows)),
        net_input={"prev_output_tokens": target},
        target=target,
        num_targets=int((target != PAD).sum()),
        num_tokens=target.numel(),
        num_positions=target.numel(),
    )


def test_each_real_target_has_its_log_probability() -> None:
    """Padding has none; the end has one."""
    scores = score_references([Fixed(0.125, 0.125, 0.25, 0.5)], batch([3, EOS, PAD], [3, 3, EOS]), padding=PAD)

    ln = math.log
    assert [ln(0.5), ln(0.25)] == pytest.approx(scores[0])
    assert [ln(0.5), ln(0.5), ln(0.25)] == pytest.approx(scores[1])


def test_models_average_their_probabilities() -> None:
    """(.5 + .25) / 2 = .375 for the word, (.25 + .5) / 2 for the end."""
    models = [Fixed(0.125, 0.125, 0.25, 0.5), Fixed(0.125, 0.125, 0.5, 0.25)]

    ((word, end),) = score_references(models, batch([3, EOS]), padding=PAD)

    assert [math.log(0.375)] * 2 == pytest.approx([word, end])


def test_nan_is_an_error() -> None:
    """A model that gives NaN has no opinion."""
    with pytest.raises(TrainingError, match="NaN"):
        score_references([Fixed(math.nan, 0.5, 0.5, 0.5)], batch([3, EOS]), padding=PAD)
