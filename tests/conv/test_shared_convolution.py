"""Convolutions with few weights: by hand, what they see, and what they remember."""

from __future__ import annotations

import math

import pytest
import torch

from seqtrain_conv.decoding_state import InputBuffer
from seqtrain_conv.shared_convolution import (
    DynamicConvolution,
    LightweightConvolution,
    SharedConvolution,
    band_matrices,
)

E = math.e
KINDS = [LightweightConvolution, DynamicConvolution]


def make(kind: type, width: int, *, causal: bool, weight_dropout: float = 0.0, filters: int = 2) -> SharedConvolution:
    """Return a convolution of 6 channels."""
    torch.manual_seed(0)
    convolution: SharedConvolution = kind(6, filters, width, weight_dropout, causal=causal)
    return convolution


def test_bands_are_worked_by_hand() -> None:
    """Each row holds its filter, one column further on than the row before."""
    filters = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])

    assert band_matrices(filters).tolist() == [[1, 2, 3, 0], [0, 4, 5, 6]]


def test_a_lightweight_convolution_is_worked_by_hand() -> None:
    """Two filters of width 2, each for two of the four channels; their weights are softmaxed; zeros stand before."""
    convolution = LightweightConvolution(4, 2, 2, 0.0, causal=True)
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor([[0.0, 0.0], [0.0, 1.0]]))
    before, own = 1 / (1 + E), E / (1 + E)
    out = convolution(torch.tensor([[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]]))

    assert out[0, 0].tolist() == pytest.approx([0.5, 1.0, 3 * own, 4 * own])
    assert out[0, 1].tolist() == pytest.approx([3.0, 4.0, 3 * before + 7 * own, 4 * before + 8 * own])


def test_a_dynamic_convolution_is_worked_by_hand() -> None:
    """Each position's own value decides how it weighs the one before: scores 0 and x."""
    convolution = DynamicConvolution(1, 1, 2, 0.0, causal=True)
    with torch.no_grad():
        convolution.make.weight.copy_(torch.tensor([[0.0], [1.0]]))
    out = convolution(torch.tensor([[[1.0], [-1.0]]]))

    assert out.flatten().tolist() == pytest.approx([E / (1 + E), 1 * E / (1 + E) - 1 / (1 + E)])


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 31])
def test_a_lightweight_convolution_is_a_grouped_convolution(width: int, causal: bool) -> None:
    """torch's, with each filter repeated for its channels; also where a filter is wider than the text."""
    convolution = make(LightweightConvolution, width, causal=causal)
    x = torch.randn(3, 5, 6)
    weight = convolution.weight.softmax(-1).repeat_interleave(3, dim=0)[:, None]
    left = width - 1 if causal else (width - 1) // 2
    padded = torch.nn.functional.pad(x.transpose(1, 2), (left, width - 1 - left))

    torch.testing.assert_close(convolution(x), torch.conv1d(padded, weight, groups=6).transpose(1, 2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("causal", "expected"), [(True, [2, 3, 4]), (False, [3, 4, 5])])
def test_what_a_convolution_sees(kind: type, causal: bool, expected: list[int]) -> None:
    """A causal one sees nothing that follows."""
    x = torch.randn(1, 9, 6, requires_grad=True)
    make(kind, 3, causal=causal)(x)[0, 4].sum().backward()
    assert x.grad is not None

    assert expected == [index for index in range(9) if x.grad[0, index].any()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [1, 3, 15])
@pytest.mark.parametrize("parts", [[1] * 6, [4, 2], [2, 3, 1]], ids=str)
def test_a_buffer_stands_for_what_was_before(kind: type, width: int, parts: list[int]) -> None:
    """Piece by piece the result is that of the whole, however long the pieces and the filter."""
    convolution, buffer = make(kind, width, causal=True), InputBuffer()
    x = torch.randn(3, 6, 6)
    pieces = torch.cat([convolution(part, buffer) for part in x.split(parts, dim=1)], dim=1)

    torch.testing.assert_close(pieces, convolution(x))


@pytest.mark.parametrize("kind", KINDS)
def test_weights_sum_to_one_unless_dropped(kind: type) -> None:
    """Normalised weights are dropped, and the others scaled up, in training only."""
    convolution = make(kind, 5, causal=True, weight_dropout=0.5, filters=3)
    x = torch.randn(2, 40, 6)
    whole = convolution.eval().filters(x)
    dropped = convolution.train().filters(x)
    kept = dropped != 0

    torch.testing.assert_close(whole.sum(-1), torch.ones(whole.shape[:-1]))
    torch.testing.assert_close(dropped[kept], 2 * whole.expand_as(dropped)[kept])
    assert 0 < (~kept).float().mean() < 1


def test_a_lightweight_convolutions_weights_are_dropped_once_a_batch() -> None:
    """All positions of all rows miss the same ones."""
    dropped = make(LightweightConvolution, 5, causal=True, weight_dropout=0.5).train().filters(torch.randn(2, 7, 6))

    assert dropped.shape == (2, 7, 5)  # filters, positions, width: no rows
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
