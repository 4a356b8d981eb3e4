"""The chunked loss against the plain formula and against torch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from seqtrain_criteria.linear_cross_entropy import cross_entropy_sums, linear_cross_entropy_sums


def plain(logits: Tensor, target: Tensor, smoothing: float, z_loss: float = 0.0) -> Tensor:
    """The formula as it is written down, with the whole target distribution spelled out."""
    wanted = torch.full_like(logits, smoothing / (logits.size(1) - 1))
    wanted[torch.arange(len(target)), target] = 1 - smoothing
    return z_loss * logits.logsumexp(1).square().sum() - (wanted * logits.log_softmax(1)).sum()


def problem(rows: int, size: int, symbols: int, *, dtype: torch.dtype = torch.float64, bias: bool = True):
    generator = torch.Generator().manual_seed(rows + 10 * size + 100 * symbols)
    features = torch.randn(rows, size, generator=generator, dtype=dtype, requires_grad=True)
    projection = nn.Linear(size, symbols, bias=bias, dtype=dtype)
    with torch.no_grad():
        for parameter in projection.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=dtype))
    return features, projection, torch.randint(symbols, (rows,), generator=generator)


sizes = st.integers(min_value=1, max_value=9)
smoothings = st.one_of(st.just(0.0), st.floats(min_value=1e-3, max_value=0.9))


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(0, 9),
    size=sizes,
    symbols=st.integers(2, 12),
    chunk_rows=sizes,
    smoothing=smoothings,
    z_loss=st.sampled_from([0.0, 1e-4, 0.3]),
)
def test_chunked_loss_is_the_plain_formula(rows, size, symbols, chunk_rows, smoothing, z_loss):
    """Value and gradient agree with autograd through the formula, whatever the sizes."""
    features, projection, target = problem(rows, size, symbols)
    expected = plain(projection(features), target, smoothing, z_loss)
    expected_gradients = torch.autograd.grad(expected, [features, *projection.parameters()])
    loss, nll = linear_cross_entropy_sums(
        features, projection, target, smoothing=smoothing, z_loss=z_loss, chunk_rows=chunk_rows
    )
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(nll, plain(projection(features), target, 0.0), rtol=1e-10, atol=1e-12)
    for gradient, wanted in zip(
        torch.autograd.grad(loss, [features, *projection.parameters()]), expected_gradients, strict=True
    ):
        torch.testing.assert_close(gradient, wanted, rtol=1e-9, atol=1e-11)


@settings(deadline=None, max_examples=40)
@given(rows=sizes, symbols=st.integers(2, 12), smoothing=st.floats(min_value=0.0, max_value=0.5))
def test_torch_smooths_the_same_with_a_rescaled_share(rows, symbols, smoothing):
    """torch spreads over all V symbols, so its share is e * V / (V - 1)."""
    features, projection, target = problem(rows, 4, symbols)
    logits = projection(features)
    share = smoothing * symbols / (symbols - 1)
    loss, _ = cross_entropy_sums(logits, target, smoothing=smoothing)
    expected = cross_entropy(logits, target, reduction="sum", label_smoothing=share)
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=1e-12)


def test_float32_is_within_a_millionth():
    """In float32, value and gradient are within 1e-6 of the float64 ones, relative to the largest entry."""
    features, projection, target = problem(300, 16, 50)
    exact, _ = cross_entropy_sums(projection(features), target, smoothing=0.1)
    exact_gradients = torch.autograd.grad(exact, [features, *projection.parameters()])
    features32 = features.detach().float().requires_grad_()
    projection.float()
    loss, _ = linear_cross_entropy_sums(features32, projection, target, smoothing=0.1, chunk_rows=64)
    assert loss.item() == pytest.approx(exact.item(), rel=1e-6)
    for gradient, wanted in zip(
        torch.autograd.grad(loss, [features32, *projection.parameters()]), exact_gradients, strict=True
    ):
        assert (gradient - wanted).abs().max() <= 1e-6 * wanted.abs().max()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_gradcheck(smoothing: float):
    """The gradient is the slope that finite differences see."""
    features, projection, target = problem(5, 3, 4)

    def loss(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        projected = nn.Linear(3, 4, dtype=torch.float64)
        del projected.weight, projected.bias
        projected.weight, projected.bias = weight, bias
        return linear_cross_entropy_sums(features, projected, target, smoothing=smoothing, chunk_rows=2)[0]

    assert torch.autograd.gradcheck(loss, (features, projection.weight, projection.bias))


@pytest.mark.parametrize("scale", [0.0, 0.25, -3.0])
def test_backward_scales_by_what_comes_in(scale: float):
    """A multiple of the loss has that multiple of the gradient."""
    features, projection, target = problem(5, 3, 4)
    loss, _ = linear_cross_entropy_sums(features, projection, target, smoothing=0.1, chunk_rows=2)
    once = torch.autograd.grad(loss, [features, projection.weight], retain_graph=True)
    scaled = torch.autograd.grad(loss * scale, [features, projection.weight])
    for gradient, base in zip(scaled, once, strict=True):
        torch.testing.assert_close(gradient, base * scale)


def test_a_frozen_projection_gets_no_gradient():
    """Features are trained through a projection that is not."""
    features, projection, target = problem(5, 3, 4)
    expected = torch.autograd.grad(plain(projection(features), target, 0.1), features)[0]
    projection.requires_grad_(requires_grad=False)
    loss, _ = linear_cross_entropy_sums(features, projection, target, smoothing=0.1, chunk_rows=2)
    loss.backward()
    torch.testing.assert_close(features.grad, expected)
    assert projection.weight.grad is None


def test_inputs_are_left_alone():
    """Only the logits are overwritten, never what they were formed from."""
    features, projection, target = problem(5, 3, 4)
    before = [tensor.detach().clone() for tensor in (features, *projection.parameters(), target)]
    linear_cross_entropy_sums(features, projection, target, smoothing=0.1, chunk_rows=2)[0].backward()
    assert all(map(torch.equal, before, (features, *projection.parameters(), target)))


def test_large_logits_stay_finite():
    """Logits of thousands neither overflow nor lose the loss of an unlikely target."""
    logits = torch.tensor([[5000.0, -5000.0]])
    loss, _ = cross_entropy_sums(logits, torch.tensor([1]), smoothing=0.0)
    assert loss.item() == 10000.0


def test_logits_are_never_held_at_once():
    """The largest tensor made is a chunk of logits or a gradient, not rows times symbols."""
    features, projection, target = problem(64, 3, 50, dtype=torch.float32)
    sizes: list[int] = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            sizes.extend(each.numel() for each in [result] if isinstance(each, Tensor))
            return result

    with Watch():
        linear_cross_entropy_sums(features, projection, target, smoothing=0.1, chunk_rows=8)[0].backward()
    assert max(sizes) == 8 * 50


def test_bf16_keeps_the_weight_gradient_in_float32():
    """Under autocast the chunks' weight gradients are summed in float32, so that many of them lose no more than one."""
    features, projection, target = problem(128, 8, 16, dtype=torch.float32)
    loss, _ = linear_cross_entropy_sums(features, projection, target, smoothing=0.1, chunk_rows=128)
    exact = torch.autograd.grad(loss, projection.weight)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _ = linear_cross_entropy_sums(features, projection, target, smoothing=0.1, chunk_rows=4)
    gradient = torch.autograd.grad(loss, projection.weight)[0]
    assert gradient.dtype == torch.float32
    assert (gradient - exact).norm() < 0.01 * exact.norm()
