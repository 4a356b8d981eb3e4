"""Attention to the source, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from seqtrain_recurrent.attention import Attention, Source, attention_weights

E = math.e


def test_weights_are_worked_by_hand() -> None:
    """Scores 0, 1 and, at padding, anything: weights 1/(1+e), e/(1+e) and exactly 0."""
    source = Source(
        keys=torch.tensor([[[2.0, 0.0], [0.0, 1.0], [9.0, 9.0]]]),
        values=torch.empty(1, 3, 1),
        is_padding=torch.tensor([[[False, False, True]]]),
    )
    weights = attention_weights(torch.tensor([[[0.0, 1.0]]]), source)

    assert weights.flatten().tolist() == pytest.approx([1 / (1 + E), E / (1 + E), 0.0])


def test_an_attentional_state_is_worked_by_hand() -> None:
    """Context first, then the state, through one matrix and tanh."""
    attention = Attention(query_dim=1, source_dim=1)
    with torch.no_grad():
        attention.key.weight.fill_(2.0)
        attention.output.weight.copy_(torch.tensor([[0.5, -1.0]]))
    source = attention.read(torch.tensor([[[0.0], [0.5]]]), torch.ones(1, 2, dtype=torch.bool))
    state = attention(torch.tensor([[1.0]]), source)
    context = 0.5 * E / (1 + E)  # scores 0 and 2 * 0.5 * 1

    assert state.item() == pytest.approx(math.tanh(0.5 * context - 1.0))


def test_rows_of_a_beam_read_their_own_sentence() -> None:
    """Rows 0 and 1 attend to the first sentence, 2 and 3 to the second, as each would alone."""
    torch.manual_seed(0)
    attention = Attention(query_dim=3, source_dim=4)
    vectors, queries = torch.randn(2, 5, 4), torch.randn(4, 3)
    is_real = torch.tensor([[True] * 5, [True, True, False, False, False]])
    together = attention(queries, attention.read(vectors, is_real))

    for sentence in range(2):
        real = vectors[sentence : sentence + 1, is_real[sentence]]
        source = attention.read(real, torch.ones(real.shape[:2], dtype=torch.bool))
        for row in (2 * sentence, 2 * sentence + 1):
            torch.testing.assert_close(together[row], attention(queries[row : row + 1], source)[0])
