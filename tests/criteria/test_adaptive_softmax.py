"""Cross entropy of a model whose output layer is an adaptive softmax."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seqtrain.batch import Batch
from seqtrain.protocols import ModelSpec, OffersAdaptiveSoftmax, OffersFeatures
from seqtrain_criteria.config import CrossEntropyConfig, LabelSmoothedCrossEntropyConfig
from seqtrain_criteria.cross_entropy import cross_entropy, label_smoothed_cross_entropy
from seqtrain_testing.contracts import CriterionContract

PADDING = 1


class Adaptive(nn.Module):
    """An embedding under an adaptive softmax; it can do without the source of a translation."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.embedding = nn.Embedding(spec.vocab_size, 8)
        self.softmax = nn.AdaptiveLogSoftmaxWithLoss(8, spec.vocab_size, cutoffs=[5, 12], div_value=2.0)
        self.asked_for = []

    @property
    def adaptive_softmax(self) -> nn.AdaptiveLogSoftmaxWithLoss:
        return self.softmax

    def forward(
        self, prev_output_tokens: Tensor, source_tokens: Tensor | None = None, *, features_only: bool = False
    ) -> Tensor:
        self.asked_for.append("features" if features_only else "all")
        features = self.embedding(prev_output_tokens).tanh()
        return (
            features
            if features_only
            else self.softmax.log_prob(features.flatten(0, 1)).unflatten(0, features.shape[:2])
        )


SPEC = ModelSpec(vocab_size=20, padding=PADDING, max_positions=16)
RAGGED = torch.tensor([[2, 19, 4, 13, 6], [6, 0, 11, PADDING, PADDING], [4, PADDING, PADDING, PADDING, PADDING]])


def make_model() -> Adaptive:
    torch.manual_seed(0)
    return Adaptive(SPEC)


def make_batch(target: Tensor) -> Batch:
    real = int((target != PADDING).sum())
    return Batch(
        ids=torch.arange(len(target)),
        net_input={"prev_output_tokens": target},
        target=target,
        num_targets=real,
        num_tokens=real,
        num_positions=target.numel(),
    )


class TestContract(CriterionContract):
    """What holds for every criterion holds on such a model too."""

    name = "criteria/adaptive_loss"

    @pytest.fixture
    def model(self, spec: ModelSpec) -> nn.Module:
        torch.manual_seed(0)
        return Adaptive(spec)


def test_only_the_targets_are_asked_for():
    """The model gives features, and never a probability for every symbol; the loss is the one of all log-probabilities."""
    model = make_model()
    assert isinstance(model, OffersAdaptiveSoftmax)
    assert not isinstance(model, OffersFeatures)
    loss, count, sums = cross_entropy(CrossEntropyConfig(), spec=SPEC)(model, make_batch(RAGGED))
    assert model.asked_for == ["features"]
    real = RAGGED != PADDING
    expected = -model(RAGGED)[real].gather(1, RAGGED[real][:, None]).sum()

    torch.testing.assert_close(loss, expected)
    assert sums["nll_loss"].item() == loss.item()
    assert count == 9


def test_under_autocast_it_is_computed_in_float32():
    """Torch's layer cannot mix types, and logarithms of small probabilities want the precision."""
    model = make_model()
    criterion = cross_entropy(CrossEntropyConfig(), spec=SPEC)
    expected, _, _ = criterion(model, make_batch(RAGGED))
    with torch.autocast("cpu", torch.bfloat16):
        loss, _, _ = criterion(model, make_batch(RAGGED))
    loss.backward()

    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, rtol=1e-3, atol=0)


def test_smoothing_needs_all_symbols():
    """Then the model is asked for every log-probability, and the loss is the usual one."""
    model = make_model()
    criterion = label_smoothed_cross_entropy(LabelSmoothedCrossEntropyConfig(label_smoothing=0.1), spec=SPEC)
    loss, _, sums = criterion(model, make_batch(RAGGED))

    assert model.asked_for == ["all"]
    assert loss.item() > sums["nll_loss"].item()


def test_a_normalised_output_has_no_z_loss():
    """Its probabilities sum to 1, so the logarithm of the sum is 0 and costs nothing."""
    plain, weighted = (
        cross_entropy(CrossEntropyConfig(z_loss=z_loss), spec=SPEC)(make_model(), make_batch(RAGGED))[0]
        for z_loss in (0.0, 10.0)
    )

    assert torch.equal(plain, weighted)


def test_a_batch_without_targets_costs_nothing():
    """With padding alone the loss is zero, and so is the gradient, but there is one."""
    model = make_model()
    loss, count, _ = cross_entropy(CrossEntropyConfig(), spec=SPEC)(model, make_batch(torch.full((2, 3), PADDING)))
    loss.backward()

    assert (loss.item(), count) == (0, 0)
    assert not model.embedding.weight.grad.any()
