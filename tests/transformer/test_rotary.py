"""Rotary positions: angles worked by hand, and that only distances matter."""

from __future__ import annotations

import cmath
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtrain_transformer.attention import MultiHeadAttention
from seqtrain_transformer.rotary import rotate, rotation


def test_a_head_of_two_units_worked_by_hand() -> None:
    """Position 3 turns (2, 1) by 3 radians: (2 cos 3 - sin 3, 2 sin 3 + cos 3)."""
    turned = rotate(torch.tensor([[[2.0, 1.0]]]), rotation(3, 1, 2))
    expected = [[[2 * math.cos(3) - math.sin(3), 2 * math.sin(3) + math.cos(3)]]]

    torch.testing.assert_close(turned, torch.tensor(expected))


def test_a_quarter_turn() -> None:
    """An angle of pi/2 takes (5, 7) to (-7, 5)."""
    quarter = torch.polar(torch.ones(1, 1), torch.full((1, 1), math.pi / 2))

    torch.testing.assert_close(rotate(torch.tensor([[[5.0, 7.0]]]), quarter), torch.tensor([[[-7.0, 5.0]]]))


def test_later_pairs_turn_slower() -> None:
    """In a head of 6, pairs turn by 1, 10,000^(-1/3) and 10,000^(-2/3) radians a position."""
    frequencies = (1.0, 10_000 ** (-1 / 3), 10_000 ** (-2 / 3))
    expected = [[cmath.exp(1j * position * frequency) for frequency in frequencies] for position in range(2, 7)]

    torch.testing.assert_close(rotation(2, 5, 6), torch.tensor(expected, dtype=torch.complex64))


def test_each_head_is_turned_alike() -> None:
    """Two heads with the same content keep the same content; position 0 is left as it is."""
    x = torch.randn(1, 4, 6).repeat(1, 1, 2)
    turned = rotate(x, rotation(0, 4, 6))

    assert torch.equal(turned[..., :6], turned[..., 6:])
    assert torch.equal(turned[:, 0], x[:, 0])
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))


@given(start=st.integers(0, 500), shift=st.integers(0, 500), apart=st.integers(0, 50))
@settings(max_examples=40, deadline=None)
def test_products_depend_on_distance_alone(start: int, shift: int, apart: int) -> None:
    """A query and a key that are moved together have the same product."""
    generator = torch.Generator().manual_seed(1)
    query, key = torch.randn(2, 1, 1, 8, generator=generator)
    products = [
        (rotate(query, rotation(at, 1, 8)) * rotate(key, rotation(at + apart, 1, 8))).sum().item()
        for at in (start, start + shift)
    ]

    assert products[0] == pytest.approx(products[1], abs=2e-3)


def test_the_gradient_turns_back() -> None:
    """A rotation's gradient is the opposite rotation, so twice is nothing."""
    x = torch.randn(2, 3, 8, requires_grad=True)
    by = rotation(5, 3, 8)
    (gradient,) = torch.autograd.grad(rotate(x, by), x, rotate(torch.ones(2, 3, 8), by))

    torch.testing.assert_close(gradient, torch.ones(2, 3, 8))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_types_are_kept(dtype: torch.dtype) -> None:
    """What is turned keeps its type; narrow ones are computed in float32."""
    assert rotate(torch.randn(1, 3, 4, dtype=dtype), rotation(0, 3, 4)).dtype == dtype


def test_attention_of_moved_sequences_is_the_same() -> None:
    """Counting from 90 instead of 0 changes no result of self-attention: only distances matter."""
    torch.manual_seed(0)
    module = MultiHeadAttention(16, 2, 0.0)
    x = torch.randn(2, 7, 16)
    results = [
        module(x, module.keys_values(x, rotation=by), causal=True, rotation=by)
        for by in (rotation(0, 7, 8), rotation(90, 7, 8))
    ]

    torch.testing.assert_close(*results, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(results[0], module(x, module.keys_values(x), causal=True), atol=1e-3)
