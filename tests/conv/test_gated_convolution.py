"""Gated convolutions: by hand, what they see, and what they remember."""

from __future__ import annotations

import math
from itertools import repeat

import pytest
import torch

from seqtrain_conv.decoding_state import InputBuffer
from seqtrain_conv.gated_convolution import GatedBlock, GatedConvolution, make_blocks
from seqtrain_conv.layer_sizes import ConvolutionSize, read_layers


def gated(width: int, *, causal: bool, inputs: int = 2, channels: int = 3, dropout: float = 0.0) -> GatedConvolution:
    """Return a gated convolution."""
    torch.manual_seed(0)
    return GatedConvolution(inputs, ConvolutionSize(channels, width), dropout, causal=causal)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_gates_are_worked_by_hand() -> None:
    """Values 1, 5 and 3 (two before, and itself), gates by a second filter; zeros stand before the first."""
    layer = gated(2, causal=True, inputs=1, channels=1)
    with torch.no_grad():  # weights of value and gate, each for the position before and one's own
        layer.convolution.weight = torch.tensor([[[2.0, 1.0]], [[0.5, -1.0]]])
        layer.convolution.bias.copy_(torch.tensor([0.0, 0.25]))
    out = layer(torch.tensor([[[1.0], [3.0], [-1.0]]]))

    assert out.flatten().tolist() == pytest.approx(
        [1.0 * sigmoid(-1.0 + 0.25), 5.0 * sigmoid(0.5 - 3.0 + 0.25), 5.0 * sigmoid(1.5 + 1.0 + 0.25)]
    )


def seen(layer: GatedConvolution, length: int = 9, position: int = 4) -> list[int]:
    """Return which positions, relative to one's own, have an influence there."""
    x = torch.randn(1, length, 2, requires_grad=True)
    layer(x)[0, position].sum().backward()
    assert x.grad is not None
    return [index - position for index in range(length) if x.grad[0, index].any()]


@pytest.mark.parametrize(
    ("width", "causal", "expected"),
    [
        (1, True, [0]),
        (3, True, [-2, -1, 0]),
        (4, True, [-3, -2, -1, 0]),
        (3, False, [-1, 0, 1]),
        (4, False, [-1, 0, 1, 2]),
        (5, False, [-2, -1, 0, 1, 2]),
    ],
)
def test_what_a_convolution_sees(width: int, causal: bool, expected: list[int]) -> None:
    """A causal one sees nothing that follows; another as much on both sides, or one more of what follows."""
    assert expected == seen(gated(width, causal=causal))


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("parts", [[1] * 6, [4, 2], [2, 3, 1]], ids=str)
def test_a_buffer_stands_for_what_was_before(width: int, parts: list[int]) -> None:
    """Piece by piece the result is that of the whole, however long the pieces and the filter."""
    layer, buffer = gated(width, causal=True), InputBuffer()
    x = torch.randn(3, 6, 2)
    pieces = torch.cat([layer(part, buffer) for part in x.split(parts, dim=1)], dim=1)

    torch.testing.assert_close(pieces, layer(x))


def test_inputs_are_dropped_in_training() -> None:
    """And only there."""
    layer, x = gated(3, causal=True, dropout=0.5), torch.randn(2, 5, 2)

    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


def test_padding_is_zero_for_every_convolution_of_a_block() -> None:
    """Also for the second, whose input at padding the first has made."""
    torch.manual_seed(0)
    block = GatedBlock(2, (ConvolutionSize(4, 3), ConvolutionSize(3, 3)), 0.0, causal=False)
    x = torch.randn(1, 6, 2)
    is_padding = torch.tensor([[False] * 4 + [True] * 2])[:, :, None]
    narrow, wide = block(x[:, :4], is_padding[:, :4], repeat(None)), block(x, is_padding, repeat(None))

    torch.testing.assert_close(narrow, wide[:, :4])


def test_blocks_follow_each_other() -> None:
    """Each takes the channels that the one before gives, and projects them where it gives others."""
    blocks = make_blocks(6, read_layers("6x3 8x1+4x3+10x1 10x2*2", "layers"), 0.0, causal=True)

    assert [type(block.project).__name__ for block in blocks] == [
        "Identity", "ParametrizedLinear", "Identity", "Identity",
    ]  # fmt: skip
    assert [[each.convolution.in_channels for each in block.convolutions] for block in blocks] == [
        [6], [6, 8, 4], [10], [10],
    ]  # fmt: skip
