"""Position embeddings against the formula, and their limits."""

from __future__ import annotations

import math

import pytest
import torch

from seqtrain.errors import DataError
from seqtrain_transformer.config import TransformerConfig
from seqtrain_transformer.positions import (
    FIRST_POSITION,
    LearnedPositions,
    PositionLimit,
    SinusoidalPositions,
    places_in_documents,
    position_limit,
    sinusoids,
)


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
    positions = LearnedPositions(10, 4, std=1.0)

    assert torch.equal(positions(torch.zeros(3, 2, 4), 5), positions.weight[5:7])


def test_learned_positions_reach_to_the_last() -> None:
    """As many tokens as positions are allowed."""
    assert LearnedPositions(10, 4, std=1.0)(torch.zeros(1, 3, 4), 7).shape == (3, 4)


def test_learned_positions_have_the_spread_asked_for() -> None:
    """Initial weights are normal with the given standard deviation."""
    torch.manual_seed(0)

    assert LearnedPositions(1000, 64, std=0.02).weight.std().item() == pytest.approx(0.02, rel=0.02)


def test_learned_positions_draw_no_random_numbers_but_their_own() -> None:
    """Being an nn.Embedding costs no further draws, so that models built after it start as they always did."""
    torch.manual_seed(0)
    expected = torch.empty(6, 4).normal_(std=0.5)
    following = torch.rand(1)
    torch.manual_seed(0)
    positions = LearnedPositions(6, 4, std=0.5)

    assert isinstance(positions, torch.nn.Embedding)
    assert torch.equal(positions.weight, expected)
    assert torch.equal(torch.rand(1), following)


@pytest.mark.parametrize(
    ("positions", "extend", "longest"),
    [
        ("sinusoidal", False, 10),
        ("rotary", False, 10),
        ("none", False, 10),
        ("learned", False, 10),
        ("sinusoidal", True, None),
        ("rotary", True, None),
        ("none", True, None),
        ("learned", True, 10),
    ],
)
def test_a_limit_can_be_lifted_unless_positions_are_learned(positions: str, extend: bool, longest: int | None) -> None:
    """The task's longest sequence is the limit, unless the config asks for more and there is a formula."""
    config = TransformerConfig(positions=positions, extend_positions=extend)

    assert position_limit(config, 10, side="").longest == longest


def test_a_sequence_as_long_as_the_limit_is_taken() -> None:
    """The limit itself is within it; without one there is no end."""
    PositionLimit(10, "", learned=True).check(10)
    PositionLimit(None, "", learned=False).check(10**9)


def test_more_tokens_than_learned_positions_are_refused() -> None:
    """One token too many is an error that names the side, both numbers and the remedy."""
    message = r"A source sequence has 11 tokens.*learned 10 positions.*positions=sinusoidal or rotary"
    with pytest.raises(DataError, match=message):
        PositionLimit(10, "source", learned=True).check(11)


def test_more_tokens_than_the_longest_are_refused() -> None:
    """Where there is a formula, the remedy is a setting; where there is one side, it has no name."""
    message = r"A sequence has 11 tokens.*made for up to 10\..* or set model\.extend_positions=true"
    with pytest.raises(DataError, match=message):
        PositionLimit(10, "", learned=False).check(11)


def test_places_start_anew_in_each_document() -> None:
    """Tokens are counted from the first of their document; the number of a document may come back."""
    documents = torch.tensor([[7, 7, 7, 3, 3, 7], [0, 1, 2, 2, 2, 2]])

    assert places_in_documents(documents).tolist() == [[0, 1, 2, 0, 1, 0], [0, 0, 0, 1, 2, 3]]
