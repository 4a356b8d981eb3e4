"""The criteria as a Trainer sees them: sums over real targets, however the model offers its output."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from seqtrain.batch import Batch
from seqtrain.protocols import ModelSpec, OffersFeatures
from seqtrain_criteria.config import CrossEntropyConfig, LabelSmoothedCrossEntropyConfig
from seqtrain_criteria.cross_entropy import cross_entropy, label_smoothed_cross_entropy

PADDING = 1
SPEC = ModelSpec(vocab_size=7, padding=PADDING, max_positions=16)


class Given(nn.Module):
    """Answers with fixed logits."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.logits


class Tiny(nn.Module):
    """An embedding and a projection, which offers its features."""

    def __init__(self, *, bias: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.projection = nn.Linear(4, 7, bias=bias)

    @property
    def output_projection(self) -> nn.Linear:
        return self.projection

    def forward(self, tokens: Tensor, *, features_only: bool = False) -> Tensor:
        features = self.embedding(tokens).tanh()
        return features if features_only else self.projection(features)


class Plain(nn.Module):
    """The same model without the offer."""

    def __init__(self, model: Tiny) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        return self.model(tokens)


def make_batch(target: Tensor, tokens: Tensor | None = None) -> Batch:
    real = target.numel() if target.dim() == 1 else int((target != PADDING).sum())
    return Batch(
        ids=torch.arange(len(target)),
        net_input={"tokens": target if tokens is None else tokens},
        target=target,
        num_targets=real,
        num_tokens=real,
        num_positions=target.numel(),
    )


def smoothed(smoothing: float = 0.1, chunk_rows: int = 2):
    return label_smoothed_cross_entropy(
        LabelSmoothedCrossEntropyConfig(label_smoothing=smoothing, chunk_rows=chunk_rows), spec=SPEC
    )


def gradients(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


RAGGED = torch.tensor([[2, 3, 4, 5, 6], [6, 0, 2, PADDING, PADDING], [4, PADDING, PADDING, PADDING, PADDING]])


def test_cross_entropy_is_minus_ln_p_summed():
    """Probabilities 1/2, 1/4 and 1/4 cost ln 2, ln 4 and ln 4."""
    logits = torch.tensor([[[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]]]).log()
    criterion = cross_entropy(CrossEntropyConfig(), spec=ModelSpec(vocab_size=3, padding=1, max_positions=4))
    loss, sample_size, sums = criterion(Given(logits), make_batch(torch.tensor([[0, 2]])))
    assert loss.item() == pytest.approx(math.log(2) + math.log(4))
    assert sample_size == 2
    assert sums["nll_loss"].item() == loss.item() == sums["loss"].item()


def test_label_smoothing_by_hand():
    """
    With V = 3 and e = 0.2 each other symbol has mass 0.1.

    The loss of the first symbol is 0.8 ln 2 + 0.1 ln 4 + 0.1 ln 4 = 1.2 ln 2.
    """
    logits = torch.tensor([[[0.5, 0.25, 0.25]]]).log()
    config = LabelSmoothedCrossEntropyConfig(label_smoothing=0.2)
    criterion = label_smoothed_cross_entropy(config, spec=ModelSpec(vocab_size=3, padding=1, max_positions=4))
    loss, _, sums = criterion(Given(logits), make_batch(torch.tensor([[0]])))
    assert loss.item() == pytest.approx(1.2 * math.log(2))
    assert sums["nll_loss"].item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("offers_features", [False, True])
def test_z_loss_by_hand(offers_features: bool):
    """Seven logits of 2 have ln Z = 2 + ln 7; its square counts 0.1 times for each target, and not as nll_loss."""
    model = Tiny(bias=True)
    nn.init.zeros_(model.projection.weight)
    nn.init.constant_(model.projection.bias, 2.0)
    criterion = cross_entropy(CrossEntropyConfig(z_loss=0.1, chunk_rows=2), spec=SPEC)
    loss, size, sums = criterion(model if offers_features else Plain(model), make_batch(RAGGED))
    assert loss.item() == pytest.approx(size * (math.log(7) + 0.1 * (2 + math.log(7)) ** 2))
    assert sums["nll_loss"].item() == pytest.approx(size * math.log(7))


def test_z_loss_pulls_the_normaliser_to_one():
    """With logits above 0 its gradient lowers all of them; the loss without it leaves their sum alone."""
    model = Given(torch.full((1, 1, 7), 2.0))
    criterion = cross_entropy(CrossEntropyConfig(z_loss=0.1), spec=SPEC)
    criterion(model, make_batch(torch.tensor([[3]])))[0].backward()
    assert model.logits.grad.sum().item() == pytest.approx(2 * 0.1 * (2 + math.log(7)))


def test_logged_sums_hold_no_graph():
    """What is logged is detached, and the count is a plain number."""
    _, _, sums = smoothed()(Tiny(), make_batch(RAGGED))
    assert not sums["loss"].requires_grad
    assert not sums["nll_loss"].requires_grad
    assert sums["num_targets"] == 9
    assert isinstance(sums["num_targets"], int)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("chunk_rows", [1, 2, 4, 9, 100])
def test_features_and_logits_give_the_same_loss_and_gradient(bias: bool, smoothing: float, chunk_rows: int):
    """A model that offers its features trains as one that gives logits does."""
    torch.manual_seed(0)
    model = Tiny(bias=bias)
    assert isinstance(model, OffersFeatures)
    assert not isinstance(Plain(model), OffersFeatures)
    criterion = smoothed(smoothing, chunk_rows)
    loss, _, sums = criterion(model, make_batch(RAGGED))
    fused = gradients(model, loss)
    expected, _, expected_sums = criterion(Plain(model), make_batch(RAGGED))
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(sums["nll_loss"], expected_sums["nll_loss"], rtol=1e-6, atol=1e-6)
    for name, gradient in gradients(model, expected).items():
        torch.testing.assert_close(fused[name], gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("offers_features", [False, True])
def test_padding_changes_nothing(offers_features: bool):
    """More padding leaves loss and gradient as they were, bit for bit."""
    torch.manual_seed(0)
    model = Tiny()
    called = model if offers_features else Plain(model)
    padded = torch.cat([RAGGED, torch.full((3, 4), PADDING)], dim=1)
    loss, _, _ = smoothed()(called, make_batch(RAGGED))
    expected = gradients(model, loss)
    padded_loss, _, _ = smoothed()(called, make_batch(padded))
    assert torch.equal(loss, padded_loss)
    for name, gradient in gradients(model, padded_loss).items():
        assert torch.equal(gradient, expected[name])


def test_what_the_model_says_at_padding_does_not_matter():
    """Even infinite logits at a padded position leave no trace."""
    logits = torch.zeros(1, 2, 7)
    logits[0, 1, 3] = math.inf
    model = Given(logits)
    loss, sample_size, _ = smoothed()(model, make_batch(torch.tensor([[2, PADDING]])))
    loss.backward()
    assert sample_size == 1
    assert loss.item() == pytest.approx(math.log(7))
    assert torch.equal(model.logits.grad[0, 1], torch.zeros(7))


@pytest.mark.parametrize("offers_features", [False, True])
def test_sums_over_parts_equal_the_whole(offers_features: bool):
    """Loss, gradient and sample size of a batch are the sums of those of its rows."""
    torch.manual_seed(0)
    model = Tiny()
    called = model if offers_features else Plain(model)
    whole, size, _ = smoothed()(called, make_batch(RAGGED))
    expected = gradients(model, whole)
    parts = [smoothed()(called, make_batch(RAGGED[row : row + 1])) for row in range(len(RAGGED))]
    assert sum(part_size for _, part_size, _ in parts) == size
    total = sum(part for part, _, _ in parts)
    torch.testing.assert_close(total, whole, rtol=1e-6, atol=0)
    for name, gradient in gradients(model, total).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("offers_features", [False, True])
def test_a_batch_without_targets_costs_nothing(offers_features: bool):
    """With padding alone the loss is zero, and so is the gradient, but there is one."""
    model = Tiny()
    called = model if offers_features else Plain(model)
    loss, sample_size, _ = smoothed()(called, make_batch(torch.full((2, 3), PADDING)))
    assert loss.item() == 0
    assert sample_size == 0
    assert all(not gradient.any() for gradient in gradients(model, loss).values())


def test_labels_may_have_the_number_of_the_padding_id():
    """A classifier's target (B,) has no padding: class 1 counts although 1 pads token rows."""
    logits = torch.tensor([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]]).log()
    criterion = cross_entropy(CrossEntropyConfig(), spec=SPEC)
    loss, sample_size, _ = criterion(Given(logits), make_batch(torch.tensor([0, PADDING])))
    assert loss.item() == pytest.approx(2 * math.log(2))
    assert sample_size == 2


def test_ignored_gradient_is_zero():
    """Loss times zero, as a stand-in batch has it, gives a gradient of zeros."""
    model = Tiny()
    loss, _, _ = smoothed()(model, make_batch(RAGGED))
    assert all(not gradient.any() for gradient in gradients(model, loss * 0).values())


def test_validation_needs_no_gradient():
    """Without gradient the same loss comes out, not attached to anything."""
    model = Tiny()
    loss, _, _ = smoothed()(model, make_batch(RAGGED))
    with torch.no_grad():
        valid_loss, _, _ = smoothed()(model, make_batch(RAGGED))
    assert torch.equal(loss, valid_loss)
    assert loss.requires_grad
    assert not valid_loss.requires_grad


@pytest.mark.parametrize("offers_features", [False, True])
def test_bf16_autocast_sums_in_float32(offers_features: bool):
    """Under autocast the loss is float32, near the exact one, and gradients keep their parameters' type."""
    torch.manual_seed(0)
    model = Tiny(bias=True)
    called = model if offers_features else Plain(model)
    exact, _, _ = smoothed()(called, make_batch(RAGGED))
    expected = gradients(model, exact)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _, _ = smoothed()(called, make_batch(RAGGED))
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=1e-2, atol=0)
    for name, gradient in gradients(model, loss).items():
        assert gradient.dtype == torch.float32
        torch.testing.assert_close(gradient, expected[name], rtol=5e-2, atol=2e-2)


def test_two_runs_agree_to_the_bit():
    """The same model and batch give the same bits again."""
    torch.manual_seed(0)
    model = Tiny()
    first, second = (gradients(model, smoothed()(model, make_batch(RAGGED))[0]) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
