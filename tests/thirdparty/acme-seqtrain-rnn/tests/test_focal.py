"""The loss against numbers worked by hand."""

from __future__ import annotations

import math

import pytest
import torch
from acme_seqtrain_rnn.config import FocalConfig
from acme_seqtrain_rnn.focal import FocalLoss
from torch import Tensor, nn

from seqtrain.api import Batch, ModelSpec

SPEC = ModelSpec(vocab_size=4, padding=0, max_positions=9)


class Constant(nn.Module):
    """Gives p = 1/2 to token 1, 1/4 to token 2, and 1/8 to each of the others."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([1 / 8, 1 / 2, 1 / 4, 1 / 8]).log())

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, T, 4)."""
        return self.logits.expand(*tokens.shape, 4)


def batch(*target: int) -> Batch:
    """Make a batch of one row."""
    row = torch.tensor([target])
    real = sum(each != SPEC.padding for each in target)
    return Batch(
        ids=torch.tensor([0]), net_input={"tokens": row}, target=row, num_targets=real, num_tokens=real,
        num_positions=len(target),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("focus", "expected"),
    [
        (1.0, 1 / 2 * math.log(2) + 3 / 4 * math.log(4)),
        (2.0, 1 / 4 * math.log(2) + 9 / 16 * math.log(4)),
    ],
)
def test_each_target_costs_its_nll_times_a_power_of_what_is_missing(focus: float, expected: float) -> None:
    """Targets 1 and 2 have p = 1/2 and 1/4; the third is padding."""
    loss, count, sums = FocalLoss(FocalConfig(focus=focus), spec=SPEC)(Constant(), batch(1, 2, 0))

    assert expected == pytest.approx(loss.item())
    assert count == 2
    assert math.log(2) + math.log(4) == pytest.approx(float(sums["nll_loss"]))


def test_a_certain_prediction_costs_nothing_and_gives_no_nan() -> None:
    """p = 1 exactly, where the derivative of a smaller power would not be finite."""
    model = Constant()
    with torch.no_grad():
        model.logits.copy_(torch.tensor([0.0, 200.0, 0.0, 0.0]))
    loss, _, _ = FocalLoss(FocalConfig(focus=1.0), spec=SPEC)(model, batch(1))
    loss.backward()

    assert loss.item() == 0
    assert model.logits.grad is not None
    assert not model.logits.grad.any()
