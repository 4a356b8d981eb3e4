"""RMSNorm: numbers worked by hand, torch's own, and its gradient."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name all torch code has for it
from torch import nn

from seqtrain_transformer.config import LayerConfig
from seqtrain_transformer.norm import EPSILON, RMSNorm, make_norm, rms_norm


def test_rms_norm_worked_by_hand() -> None:
    """(3, 4, 0, 0) has mean square 25/4, so it is divided by 5/2; then come the weights 1, 2, 3, 4."""
    normed = rms_norm(torch.tensor([[3.0, 4.0, 0.0, 0.0]]), torch.arange(1.0, 5))

    torch.testing.assert_close(normed, torch.tensor([[1.2, 3.2, 0.0, 0.0]]))


def test_its_gradient_worked_by_hand() -> None:
    """At (3, 4) with weight one, u = (3, 4) / sqrt(12.5); for g = (1, 0): dx = (1 - u0 u0 / 2, -u0 u1 / 2) / sqrt(12.5)."""
    x = torch.tensor([[3.0, 4.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(rms_norm(x, torch.ones(2))[0, 0], x)
    root = 12.5**0.5

    torch.testing.assert_close(gradient, torch.tensor([[(1 - 9 / 12.5 / 2) / root, -12 / 12.5 / 2 / root]]))


@pytest.mark.parametrize("shape", [(1, 3), (5, 8), (2, 3, 16), (2, 0, 4)])
def test_it_agrees_with_torch(shape: tuple[int, ...]) -> None:
    """Values and both gradients are those of torch.nn.functional.rms_norm."""
    torch.manual_seed(0)
    x, gradient = torch.randn(2, *shape, dtype=torch.float64)
    weight = torch.randn(shape[-1], dtype=torch.float64)
    results = []
    for function in (rms_norm, lambda x, w: F.rms_norm(x, w.shape, w, EPSILON)):
        leaves = [x.clone().requires_grad_(), weight.clone().requires_grad_()]
        out = function(*leaves)
        results.append((out, *torch.autograd.grad(out, leaves, gradient)))

    torch.testing.assert_close(*results)


def test_its_gradient_agrees_with_finite_differences() -> None:
    """Both gradients pass torch's numerical check."""
    torch.manual_seed(0)
    leaves = [torch.randn(3, 5, dtype=torch.float64, requires_grad=True), torch.randn(5, dtype=torch.float64)]
    leaves[1].requires_grad_()

    assert torch.autograd.gradcheck(rms_norm, leaves)


def test_zeros_stay_zeros() -> None:
    """A vector of zeros is not divided by zero, and its gradient is finite."""
    x = torch.zeros(2, 4, requires_grad=True)
    normed = rms_norm(x, torch.ones(4))
    normed.sum().backward()

    assert not normed.any()
    assert x.grad.isfinite().all()


def test_the_config_decides() -> None:
    """LayerNorm has weight and bias, RMSNorm a weight alone, at first one."""
    layer, rms = (make_norm(LayerConfig(embed_dim=8, norm=norm)) for norm in ("layer", "rms"))

    assert isinstance(layer, nn.LayerNorm)
    assert isinstance(rms, nn.RMSNorm)
    assert isinstance(rms, RMSNorm)
    assert [name for name, _ in rms.named_parameters()] == ["weight"]
    assert torch.equal(rms.weight, torch.ones(8))
