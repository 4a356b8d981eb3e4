"""Position embeddings against the formula, and their limits."""

from __future__ import annotations

import math

import pytest
import torch

from seqtrain.errors import DataError
from seqtrain_transformer.positions import FIRST_POSITION, LearnedPositions, SinusoidalPositions, sinusoids


@pytest.mark.parametrize("dim", [2, 4, 10, 128])
def test_sinusoids_follow_the_formula(dim: int) -> None:
    """Each number is the sine or cosine of position times frequency, worked out one by one."""
    half = dim // 2
    expected = torch.empty(30, dim)
    for position in range(30):
        for i in range(half):
            frequency = 10_000 ** (-i / max(half - 1, 1))
            expected[position, i] = math.sin((position + 7) * frequency)
            expected[position, half + i] = math.cos((position + 7) * frequency)

    torch.testing.assert_close(sinusoids(7, 30, dim), expected, rtol=0, atol=1e-5)


def test_sinusoids_worked_by_hand() -> None:
    """At position 2 of size 4 the frequencies are 1 and 1/10,000."""
    expected = [[math.sin(2), math.sin(0.0002), math.cos(2), math.cos(0.0002)]]

    torch.testing.assert_close(sinusoids(2, 1, 4), torch.tensor(expected))


def test_later_positions_continue_earlier_ones() -> None:
    """Positions 3 to 5 asked for alone are those of the whole."""
    positions = SinusoidalPositions()
    whole = positions(torch.zeros(2, 6, 8), 0)

    assert torch.equal(whole[3:], positions(torch.zeros(2, 3, 8), 3))
    assert torch.equal(whole, sinusoids(FIRST_POSITION, 6, 8))


def test_sinusoidal_positions_have_no_end() -> None:
    """Far positions are as good as near ones."""
    assert SinusoidalPositions()(torch.zeros(1, 1, 16), 1_000_000).abs().max() <= 1


def test_learned_positions_are_rows_of_the_table() -> None:
    """Positions from `start` on are the table's rows from there."""
    positions = LearnedPositions(10, 4, side="target")

    assert torch.equal(positions(torch.zeros(3, 2, 4), 5), positions.weight[5:7])


def test_learned_positions_reach_to_the_last() -> None:
    """As many tokens as positions are allowed."""
    assert LearnedPositions(10, 4, side="target")(torch.zeros(1, 3, 4), 7).shape == (3, 4)


def test_more_tokens_than_learned_positions_are_refused() -> None:
    """One token too many is an error that names the side, both numbers and the remedy."""
    positions = LearnedPositions(10, 4, side="source")

    with pytest.raises(DataError, match=r"source sequence has 11 tokens.*learned 10 positions.*positions=sinusoidal"):
        positions(torch.zeros(1, 3, 4), 8)
