"""Tables, learned positions, and positions by formula."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from seqtrain.api import DataError
from seqtrain_conv.embedding import PositionedEmbedding, add_sinusoids, token_table


def test_a_table_is_normal_but_for_padding() -> None:
    """Its deviation is the one asked for; padding's row is zero and gets no gradient."""
    torch.manual_seed(0)
    table = token_table(2000, 50, padding=1, std=0.1)
    table(torch.tensor([[1, 5]])).sum().backward()

    assert table.weight.std().item() == pytest.approx(0.1, rel=0.02)
    assert not table.weight[1].any()
    assert table.weight.grad is not None
    assert not table.weight.grad[1].any()


def test_positions_are_learned_and_end() -> None:
    """A token's vector depends on where it stands; one more than there are is an error."""
    table = nn.Embedding(5, 3)
    embedding = PositionedEmbedding(table, 4, 0.0, side="source")
    whole = embedding(torch.full((1, 4), 2))

    torch.testing.assert_close(whole[0], table.weight[2] + embedding.positions.weight)
    torch.testing.assert_close(embedding(torch.full((1, 2), 2), start=2), whole[:, 2:])
    with pytest.raises(DataError, match=r"A source sequence has 5 tokens.*learned 4 positions"):
        embedding(torch.full((1, 2), 2), start=3)


def test_positions_are_worked_by_hand() -> None:
    """Token vectors times sqrt(D), plus sines and cosines of the position's number, which starts at 2."""
    x = torch.tensor([[[0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0]]])
    slow = 1e-4
    expected = [
        [math.sin(2), math.sin(2 * slow), math.cos(2), math.cos(2 * slow)],
        [2 + math.sin(3), 4 + math.sin(3 * slow), 6 + math.cos(3), 8 + math.cos(3 * slow)],
    ]

    torch.testing.assert_close(add_sinusoids(x, 0)[0], torch.tensor(expected))
    torch.testing.assert_close(add_sinusoids(x[:, 1:], 1), add_sinusoids(x, 0)[:, 1:])
