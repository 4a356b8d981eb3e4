"""One layer: what it computes, which weights it drops, and where it stops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from seqtrain_recurrent.lstm_layer import LSTMLayer


def layer(weight_dropout: float = 0.0) -> LSTMLayer:
    """Return a layer from 3 to 4 units."""
    torch.manual_seed(0)
    return LSTMLayer(3, 4, weight_dropout)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_a_step_is_worked_by_hand() -> None:
    """One unit, one input: two steps of gates, cell and output as the formula has them."""
    lstm = LSTMLayer(1, 1)
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(torch.tensor([[1.0], [2.0], [0.5], [-1.0]]))  # input, forget, cell, output
        lstm.weight_hh_l0.copy_(torch.tensor([[0.5], [-1.0], [1.0], [2.0]]))
        lstm.bias_ih_l0.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]))
        lstm.bias_hh_l0.zero_()
    hidden = cell = 0.0
    expected = []
    for x in (0.7, -0.4):
        opened, kept = sigmoid(x + 0.5 * hidden + 0.1), sigmoid(2 * x - hidden + 0.2)
        cell = kept * cell + opened * math.tanh(0.5 * x + hidden + 0.3)
        hidden = sigmoid(-x + 2 * hidden + 0.4) * math.tanh(cell)
        expected.append(hidden)
    out, last, last_cell = lstm.read_rows(torch.tensor([[[0.7], [-0.4]]]), torch.ones(1, 2, dtype=torch.bool))

    assert out.flatten().tolist() == pytest.approx(expected)
    assert (last.item(), last_cell.item()) == pytest.approx((hidden, cell))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_rows_of_unequal_lengths_are_read_to_their_own_ends(dtype: torch.dtype) -> None:
    """States at the end are those of each row alone, whatever stands at padding: in all types, to the last bit or so."""
    lstm = layer().to(dtype)
    x = torch.randn(3, 5, 3, dtype=dtype)
    lengths = [5, 2, 1]
    is_real = torch.arange(5) < torch.tensor(lengths)[:, None]
    with torch.no_grad():
        out, hidden, cell = lstm.read_rows(x.masked_fill(~is_real[:, :, None], 7.0), is_real)
        for row, length in enumerate(lengths):
            alone, (last, last_cell) = lstm(x[row : row + 1, :length])
            tolerance = {"atol": 3e-2 if dtype == torch.bfloat16 else 1e-6, "rtol": 0}

            torch.testing.assert_close(out[row : row + 1, :length], alone, **tolerance)
            torch.testing.assert_close(hidden[row], last[0, 0], **tolerance)
            torch.testing.assert_close(cell[row], last_cell[0, 0], **tolerance)


def test_padding_gets_no_gradient() -> None:
    """Neither outputs nor last states depend on what stands at padding."""
    lstm = layer()
    x = torch.randn(2, 4, 3, requires_grad=True)
    is_real = torch.tensor([[True] * 4, [True, True, False, False]])
    out, hidden, cell = lstm.read_rows(x, is_real)
    (out[is_real].sum() + hidden.sum() + cell.sum()).backward()

    assert x.grad is not None
    assert x.grad[is_real].abs().min() > 0
    assert not x.grad[~is_real].any()


def drops(lstm: LSTMLayer, x: Tensor) -> Tensor:
    """Return the weights from state to state of one pass, found from a unit cell: by gradient, zero where dropped."""
    lstm.zero_grad()
    lstm(x)[0].sum().backward()
    assert lstm.weight_hh_l0.grad is not None
    return lstm.weight_hh_l0.grad == 0


def test_weights_are_dropped_once_a_batch() -> None:
    """In one pass the same weights are missing at every position and in every row; in the next pass others."""
    lstm = layer(weight_dropout=0.5).train()
    x = torch.randn(6, 9, 3)
    torch.manual_seed(1)
    first, second = drops(lstm, x), drops(lstm, x)

    # Had each position or row dropped its own, hardly a weight would have been missing everywhere.
    assert 3 <= first.sum() <= 13 * 4
    assert not torch.equal(first, second)


def test_a_dropped_pass_is_a_pass_with_other_weights() -> None:
    """The others are scaled up by 1 / (1 - p); inputs' weights and biases stay."""
    lstm = layer(weight_dropout=0.25).train()
    x = torch.randn(2, 5, 3)
    torch.manual_seed(3)
    dropped, _ = lstm(x)
    torch.manual_seed(3)
    weight = torch.nn.functional.dropout(lstm.weight_hh_l0, 0.25)
    with torch.no_grad():
        lstm.weight_hh_l0.copy_(weight)

    torch.testing.assert_close(dropped, lstm.eval()(x)[0])


def test_nothing_is_dropped_in_evaluation() -> None:
    """Two passes agree, and are those of a layer that drops nothing."""
    x = torch.randn(2, 5, 3)

    torch.testing.assert_close(layer(0.5).eval()(x)[0], layer().eval()(x)[0], atol=0, rtol=0)


def test_dropping_starts_from_a_given_state() -> None:
    """With weights dropped, a sequence read in two parts is the sequence, if the weights missing are the same."""
    lstm = layer(0.5).train()
    x = torch.randn(2, 6, 3)

    def read(part: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        torch.manual_seed(5)
        return lstm(part, state)

    first, state = read(x[:, :2])
    second, _ = read(x[:, 2:], state)

    torch.testing.assert_close(torch.cat((first, second), dim=1), read(x)[0])
