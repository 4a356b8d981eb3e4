"""What holds for every criterion."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seqtrain.batch import Batch
from seqtrain.config.option import Selection
from seqtrain.protocols import Criterion, ModelSpec
from seqtrain.registry.registry import Registry
from seqtrain_testing import samples
from seqtrain_testing.contracts.training import BatchContract
from seqtrain_testing.toy import LogitsOnly, ToyModel
from seqtrain_testing.toy_config import ToyModelConfig

_CLOSE = 1e-5  # float32 sums in another order
_NUDGE = 1e-2  # length of a step along the gradient
_NUDGED_CLOSE = 2e-2  # share of the gradient's length; what float32 leaves of a difference


class CriterionContract(BatchContract):
    """
    A criterion returns (summed loss, number of targets, sums to log).

    Nothing is averaged: gradients are summed over micro-batches and ranks and divided once by the global count. So
    neither padding, nor what else is in a batch, nor where it is cut may show.
    """

    kind = "criterion"

    @pytest.fixture
    def model(self, spec: ModelSpec) -> nn.Module:
        """A toy model without dropout, which offers its features."""
        torch.manual_seed(1)
        return ToyModel(ToyModelConfig(dropout=0.0), spec=spec)

    @pytest.fixture
    def criterion(self, registry: Registry, selection: Selection, spec: ModelSpec) -> Criterion:
        """The criterion."""
        built: Criterion = self.build(registry, selection, spec=spec)
        return built

    def test_it_returns_a_loss_a_count_and_sums(self, criterion: Criterion, model: nn.Module, batch: Batch) -> None:
        """The loss is a finite scalar with a gradient, the count a positive int, and the sums are detached."""
        loss, sample_size, logged = criterion(model, batch)

        assert loss.shape == ()
        assert bool(torch.isfinite(loss))
        assert loss.requires_grad
        assert isinstance(sample_size, int)
        assert sample_size > 0
        assert "loss" in logged
        assert [name for name, value in logged.items() if isinstance(value, Tensor) and value.requires_grad] == []

    def test_the_loss_is_a_sum_with_a_count(
        self, criterion: Criterion, model: nn.Module, batch: Batch, data_form: samples.Form,
        examples: list[samples.Example],
    ) -> None:  # fmt: skip
        """Sentence by sentence, losses, counts and everything logged add up to those of the batch."""
        together = _totals(criterion, model, batch)
        alone = [_totals(criterion, model, samples.make_batch(data_form, [each])) for each in examples]

        assert {name: sum(each[name] for each in alone) for name in together} == pytest.approx(together, rel=1e-5)

    def test_every_real_target_counts(
        self, criterion: Criterion, model: nn.Module, data_form: samples.Form, examples: list[samples.Example]
    ) -> None:
        """Each sentence alone has a loss with a gradient; a label may have the number of the padding id."""
        batches = [samples.make_batch(data_form, [each]) for each in examples]

        assert [bool(_gradient(criterion, model, each).any()) for each in batches] == [True] * len(batches)

    def test_padding_changes_nothing(
        self, criterion: Criterion, model: nn.Module, data_form: samples.Form, examples: list[samples.Example]
    ) -> None:
        """Three more positions of padding change neither the loss, nor the count, nor what is logged."""
        narrow, wide = (
            _totals(criterion, model, samples.make_batch(data_form, examples, extra_padding=extra)) for extra in (0, 3)
        )

        assert narrow == pytest.approx(wide, rel=1e-5)

    def test_padding_changes_no_gradient(
        self, criterion: Criterion, model: nn.Module, data_form: samples.Form, examples: list[samples.Example]
    ) -> None:
        """Nor does it change any gradient."""
        narrow, wide = (
            _gradient(criterion, model, samples.make_batch(data_form, examples, extra_padding=extra))
            for extra in (0, 3)
        )

        torch.testing.assert_close(narrow, wide, rtol=_CLOSE, atol=_CLOSE)

    def test_the_gradient_is_that_of_the_loss(self, criterion: Criterion, model: nn.Module, batch: Batch) -> None:
        """A small step along the gradient raises the loss by as much as the gradient's length says."""
        gradient = _gradient(criterion, model, batch)
        length = float(gradient.norm())
        values = []
        for sign in (1, -1):
            _move(model, gradient / length * _NUDGE * sign)
            values.append(float(criterion(model, batch)[0].detach()))
            _move(model, -gradient / length * _NUDGE * sign)

        assert (values[0] - values[1]) / (2 * _NUDGE) == pytest.approx(length, rel=_NUDGED_CLOSE)

    def test_scaling_the_loss_scales_the_gradient(self, criterion: Criterion, model: nn.Module, batch: Batch) -> None:
        """Loss scaling works, and a loss multiplied by zero leaves a gradient of zero."""
        gradient = _gradient(criterion, model, batch)

        torch.testing.assert_close(
            _gradient(criterion, model, batch, scale=8.0), 8 * gradient, rtol=_CLOSE, atol=_CLOSE
        )
        assert not bool(_gradient(criterion, model, batch, scale=0.0).any())

    def test_it_measures_without_a_gradient(self, criterion: Criterion, model: nn.Module, batch: Batch) -> None:
        """Under no_grad, as in validation, the totals are the same."""
        with_gradient = _totals(criterion, model, batch)
        with torch.no_grad():
            without = _totals(criterion, model, batch)

        assert with_gradient == pytest.approx(without, rel=1e-5)

    def test_logits_serve_where_there_are_no_features(
        self, criterion: Criterion, model: nn.Module, batch: Batch
    ) -> None:
        """A model that only gives logits has the same loss as one that offers features."""
        assert _totals(criterion, model, batch) == pytest.approx(_totals(criterion, LogitsOnly(model), batch), rel=1e-5)


def _totals(criterion: Criterion, model: nn.Module, batch: Batch) -> dict[str, float]:
    loss, sample_size, logged = criterion(model, batch)
    return {
        "the loss": float(loss.detach()),
        "the count": sample_size,
        **{f"logged {name}": float(value) for name, value in logged.items()},
    }


def _gradient(criterion: Criterion, model: nn.Module, batch: Batch, *, scale: float = 1.0) -> Tensor:
    """Return the gradient of all parameters in one row."""
    model.zero_grad()
    (criterion(model, batch)[0] * scale).backward()  # type: ignore[no-untyped-call]
    flat = [(torch.zeros_like(each) if each.grad is None else each.grad).flatten() for each in model.parameters()]
    return torch.cat(flat)


@torch.no_grad()
def _move(model: nn.Module, by: Tensor) -> None:
    """Add to all parameters."""
    start = 0
    for each in model.parameters():
        each.add_(by[start : start + each.numel()].view_as(each))
        start += each.numel()
