"""R-Drop: its numbers, its two passes, and its single pass in evaluation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from seqtrain.batch import Batch
from seqtrain.protocols import ModelSpec, OffersFeatures
from seqtrain_criteria.config import LabelSmoothedCrossEntropyConfig, RDropConfig
from seqtrain_criteria.cross_entropy import label_smoothed_cross_entropy
from seqtrain_criteria.rdrop import RDrop

PADDING = 1
SPEC = ModelSpec(vocab_size=7, padding=PADDING, max_positions=16)
RAGGED = torch.tensor([[2, 3, 4, 5, 6], [6, 0, 2, PADDING, PADDING], [4, PADDING, PADDING, PADDING, PADDING]])


class Alternating(nn.Module):
    """Answers with one of its logits after the other."""

    def __init__(self, *answers: Tensor) -> None:
        super().__init__()
        self.answers = nn.ParameterList(answers)
        self.calls = 0

    def forward(self, tokens: Tensor) -> Tensor:
        self.calls += 1
        return self.answers[(self.calls - 1) % len(self.answers)]


class Tiny(nn.Module):
    """An embedding with dropout and a projection, which offers its features."""

    def __init__(self, dropout: float = 0.5) -> None:
        super().__init__()
        self.embedding, self.dropout = nn.Embedding(7, 8), nn.Dropout(dropout)
        self.projection = nn.Linear(8, 7)

    @property
    def output_projection(self) -> nn.Linear:
        return self.projection

    def forward(self, tokens: Tensor, *, features_only: bool = False) -> Tensor:
        features = self.dropout(self.embedding(tokens).tanh())
        return features if features_only else self.projection(features)


class Plain(nn.Module):
    """The same model without the offer."""

    def __init__(self, model: Tiny) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        return self.model(tokens)


def make_tiny(dropout: float = 0.5) -> Tiny:
    torch.manual_seed(0)
    return Tiny(dropout)


def make_batch(target: Tensor) -> Batch:
    real = int((target != PADDING).sum())
    return Batch(
        ids=torch.arange(len(target)),
        net_input={"tokens": target},
        target=target,
        num_targets=real,
        num_tokens=real,
        num_positions=target.numel(),
    )


def make(**settings) -> RDrop:
    return RDrop(RDropConfig(**settings), spec=SPEC)


def totals(criterion, model: nn.Module, seed: int = 0) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Return what comes out, and the gradients, with the same dropout for the same seed."""
    torch.manual_seed(seed)
    model.zero_grad()
    loss, size, logged = criterion(model, make_batch(RAGGED))
    loss.backward()
    numbers = {"the loss": loss.item(), "the size": size, **{name: float(value) for name, value in logged.items()}}
    return numbers, {name.removeprefix("model."): each.grad.clone() for name, each in model.named_parameters()}


def test_by_hand():
    """
    Passes that say (1/2, 1/2) and (1/4, 3/4) of two symbols, the first of which is the target.

    Their mean loss is (ln 2 + ln 4) / 2. KL(P || Q) + KL(Q || P) is the sum of (p - q) ln(p / q):
    1/4 ln 2 - 1/4 ln(2/3) = 1/4 ln 3. Half of that is the divergence, and half of it counts with weight alpha.
    """
    model = Alternating(torch.tensor([[[0.5, 0.5]]]).log(), torch.tensor([[[0.25, 0.75]]]).log())
    criterion = make(alpha=6.0, label_smoothing=0.0)
    loss, count, sums = criterion(model, make_batch(torch.tensor([[0]])))

    divergence = math.log(3) / 8
    assert sums["kl_loss"].item() == pytest.approx(divergence)
    assert sums["nll_loss"].item() == pytest.approx(1.5 * math.log(2))
    assert loss.item() == sums["loss"].item() == pytest.approx(1.5 * math.log(2) + 3 * divergence)
    assert count == 1


def test_as_torch_s_divergence():
    """The divergence of random passes agrees with torch's kl_div in both directions."""
    torch.manual_seed(0)
    one, other = torch.randn(3, 5, 7), torch.randn(3, 5, 7)
    _, _, sums = make()(Alternating(one, other), make_batch(RAGGED))
    log_p, log_q = (each[RAGGED != PADDING].log_softmax(-1) for each in (one, other))
    both = sum(
        nn.functional.kl_div(a, b, log_target=True, reduction="sum") for a, b in [(log_p, log_q), (log_q, log_p)]
    )

    torch.testing.assert_close(sums["kl_loss"], both / 2)


def test_without_dropout_it_is_label_smoothed_cross_entropy():
    """Two equal passes do not diverge, and their mean is either of them: the learning rate may stay."""
    model = make_tiny(dropout=0.0)
    ours, gradients = totals(make(label_smoothing=0.2), model)
    plain = label_smoothed_cross_entropy(LabelSmoothedCrossEntropyConfig(label_smoothing=0.2), spec=SPEC)
    expected, expected_gradients = totals(plain, model)

    assert ours.pop("kl_loss") == pytest.approx(0, abs=1e-6)
    assert ours == pytest.approx(expected)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected_gradients[name])


def test_evaluation_makes_a_single_pass():
    """There it is label-smoothed cross entropy, bit for bit, and nothing diverges."""
    model = Alternating(torch.randn(3, 5, 7)).eval()
    criterion = make(label_smoothing=0.2)
    plain = label_smoothed_cross_entropy(LabelSmoothedCrossEntropyConfig(label_smoothing=0.2), spec=SPEC)
    loss, _, sums = criterion(model, make_batch(RAGGED))

    assert model.calls == 1
    assert "kl_loss" not in sums
    assert torch.equal(loss, plain(model, make_batch(RAGGED))[0])


def test_passes_have_different_dropout_that_the_seed_decides():
    """With dropout the passes diverge; the same seed gives the same numbers bit for bit, another seed others."""
    model = make_tiny()
    first, again, other = (totals(make(), model, seed=seed)[0] for seed in (3, 3, 4))

    assert first["kl_loss"] > 0.01
    assert first == again
    assert first["kl_loss"] != other["kl_loss"]


@pytest.mark.parametrize("chunk_rows", [1, 2, 9, 100])
@pytest.mark.parametrize("z_loss", [0.0, 0.1])
def test_features_and_logits_give_the_same_loss_and_gradient(chunk_rows: int, z_loss: float):
    """A model that offers its features trains as one that gives logits does, however the logits are cut."""
    model = make_tiny()
    assert isinstance(model, OffersFeatures)
    assert not isinstance(Plain(model), OffersFeatures)
    fused, gradients = totals(make(chunk_rows=chunk_rows, z_loss=z_loss), model)
    expected, expected_gradients = totals(make(z_loss=z_loss), Plain(model))

    assert fused == pytest.approx(expected)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected_gradients[name])


def test_a_batch_without_targets_costs_nothing():
    """With padding alone the loss is zero, and so is the gradient, but there is one."""
    model = make_tiny()
    for called in (model, Plain(model)):
        model.zero_grad()
        loss, count, _ = make()(called, make_batch(torch.full((2, 3), PADDING)))
        loss.backward()

        assert (loss.item(), count) == (0, 0)
        assert all(not parameter.grad.any() for parameter in model.parameters())


def test_bf16_autocast_sums_in_float32():
    """Under autocast the loss is float32, near the exact one, and gradients keep their parameters' type."""
    model = make_tiny()
    exact, gradients = totals(make(), model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded, rounded_gradients = totals(make(), model)

    assert rounded == pytest.approx(exact, rel=5e-2)
    for name, gradient in rounded_gradients.items():
        assert gradient.dtype == torch.float32
        torch.testing.assert_close(gradient, gradients[name], rtol=0.1, atol=0.1)
