"""Dropout from random bytes: its statistics, its scale, and that a seed repeats it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtrain_transformer.dropout import Dropout, dropout, random_bytes


def test_random_bytes_are_uniform_in_every_place_of_a_word() -> None:
    """Each of a word's eight bytes takes all 256 values about equally often; the top bit is no exception."""
    torch.manual_seed(0)
    places = random_bytes(torch.Size([200_000, 8])).T.long()

    for place in places:
        counts = place.bincount(minlength=256).float()
        chi_square = ((counts - 781.25) ** 2 / 781.25).sum().item()
        assert 150 < chi_square < 380  # 255 degrees of freedom: mean 255, standard deviation 23


@pytest.mark.parametrize("shape", [(0,), (1,), (7,), (8,), (9,), (3, 5), ()])
def test_random_bytes_have_any_shape(shape: tuple[int, ...]) -> None:
    """The number of bytes need not be a multiple of a word's."""
    assert random_bytes(torch.Size(shape)).shape == shape


@pytest.mark.parametrize(("p", "threshold"), [(0.1, 26), (0.3, 77), (0.5, 128), (0.0001, 1), (0.9999, 255)])
def test_kept_elements_are_scaled_by_the_rounded_rate(p: float, threshold: int) -> None:
    """The rate is a multiple of 1/256, never 0 or 1, and what is kept grows by exactly 256/(256 - threshold)."""
    torch.manual_seed(1)
    dropped = dropout(torch.ones(100_000), p)

    assert set(dropped.unique().tolist()) <= {0.0, torch.tensor(256 / (256 - threshold)).item()}


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_share_of_zeros_and_mean_are_as_asked(p: float) -> None:
    """Over a million elements both lie within five standard deviations."""
    torch.manual_seed(2)
    dropped = dropout(torch.ones(1_000_000), p)
    rate = round(p * 256) / 256

    assert abs((dropped == 0).double().mean().item() - rate) < 5 * (rate * (1 - rate) / 1e6) ** 0.5
    assert abs(dropped.double().mean().item() - 1) < 5 * (rate / (1 - rate) / 1e6) ** 0.5


def test_neighbours_are_independent() -> None:
    """Bytes of one word do not go together: both of two neighbours are dropped with probability p squared."""
    torch.manual_seed(3)
    zero = dropout(torch.ones(800_000), 0.5) == 0

    assert abs((zero[:-1] & zero[1:]).double().mean().item() - 0.25) < 0.003


@given(st.integers(0, 2**31), st.floats(0.01, 0.99))
@settings(max_examples=20, deadline=None)
def test_a_seed_repeats_it(seed: int, p: float) -> None:
    """torch.manual_seed alone decides what is dropped."""
    x = torch.ones(3, 50)
    torch.manual_seed(seed)
    first = dropout(x, p)
    second = dropout(x, p)
    torch.manual_seed(seed)

    assert torch.equal(first, dropout(x, p))
    assert torch.equal(second, dropout(x, p))


def test_gradient_passes_where_the_value_did() -> None:
    """The derivative is the same mask and scale, as for a product with a constant."""
    torch.manual_seed(4)
    x = torch.randn(40, 6, requires_grad=True)
    dropped = dropout(x, 0.3)
    gradient = torch.randn(40, 6)
    dropped.backward(gradient)
    mask = (dropped.detach() != 0) * (256 / (256 - 77))

    torch.testing.assert_close(dropped.detach(), x.detach() * mask)
    torch.testing.assert_close(x.grad, gradient * mask)


def test_only_a_byte_an_element_is_held_for_the_backward_pass() -> None:
    """The graph holds uint8, not floats."""
    saved: list[torch.dtype] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        saved.append(tensor.dtype)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        dropout(torch.ones(10, requires_grad=True), 0.5)

    assert saved == [torch.uint8]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_the_type_stays(dtype: torch.dtype) -> None:
    """Half precision holds bytes exactly, so that the rate is the same."""
    torch.manual_seed(5)
    single = dropout(torch.ones(1000), 0.3)
    torch.manual_seed(5)
    other = dropout(torch.ones(1000, dtype=dtype), 0.3)

    assert other.dtype == dtype
    assert torch.equal(single == 0, other == 0)


def test_nothing_happens_in_evaluation_or_at_rate_zero() -> None:
    """Neither draws random numbers nor copies."""
    x = torch.ones(5)
    before = torch.get_rng_state()

    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x
    assert torch.equal(before, torch.get_rng_state())


def test_a_module_drops_in_training() -> None:
    """Modules start in training mode, and show their rate."""
    assert (Dropout(0.5)(torch.ones(1000)) == 0).any()
    assert repr(Dropout(0.5)) == "Dropout(p=0.5)"
