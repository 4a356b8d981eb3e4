"""Reading in both directions, by comparison with torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqtrain_recurrent.stack import LSTMStack

LENGTHS = torch.tensor([6, 3, 1])
IS_REAL = torch.arange(6) < LENGTHS[:, None]


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("layers", [1, 3])
def test_it_reads_as_packed_sequences_are_read(layers: int, bidirectional: bool) -> None:
    """With the same weights, vectors and last states of all layers are those of torch's LSTM on packed sequences."""
    torch.manual_seed(0)
    stack = LSTMStack(5, 4, layers, bidirectional=bidirectional, dropout=0.0).double()
    other = nn.LSTM(5, 4, layers, batch_first=True, bidirectional=bidirectional).double()
    weights = {}
    for number in range(layers):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            weights[f"{name}_l{number}"] = stack.forwards[number].get_parameter(f"{name}_l0")
            if bidirectional:
                weights[f"{name}_l{number}_reverse"] = stack.backwards[number].get_parameter(f"{name}_l0")
    other.load_state_dict(weights)
    x = torch.randn(3, 6, 5, dtype=torch.float64)
    packed, (hidden, cell) = other(pack_padded_sequence(x, LENGTHS, batch_first=True))
    vectors, _ = pad_packed_sequence(packed, batch_first=True)

    encoded = stack(x, IS_REAL)

    torch.testing.assert_close(encoded.vectors[IS_REAL], vectors[IS_REAL])
    for ours, theirs in ((encoded.hidden, hidden), (encoded.cell, cell)):
        by_direction = theirs.view(layers, -1, 3, 4).transpose(1, 2).flatten(2)
        torch.testing.assert_close(ours, by_direction)


def test_dropout_is_between_layers_only() -> None:
    """One layer alone drops nothing; of two, the second reads what the first left."""
    x = torch.randn(3, 6, 5)
    one, two = (LSTMStack(5, 4, layers, bidirectional=True, dropout=0.5).train() for layers in (1, 2))

    assert torch.equal(one(x, IS_REAL).vectors, one(x, IS_REAL).vectors)
    assert not torch.equal(two(x, IS_REAL).vectors, two(x, IS_REAL).vectors)
