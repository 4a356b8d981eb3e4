"""Attention of the convolutional encoder-decoder."""

from __future__ import annotations

import math

import pytest
import torch

from seqtrain_conv.decoding_state import Source
from seqtrain_conv.fconv_attention import AttentionToSource, attention_weights

E = math.e
HALF = math.sqrt(0.5)


def source_of(keys: list[list[float]], values: list[list[float]], is_padding: list[bool]) -> Source:
    """Return one sentence."""
    return Source(torch.tensor([keys]), torch.tensor([values]), torch.tensor([[is_padding]]))


def test_weights_are_worked_by_hand() -> None:
    """Scores 0, 1 and, at padding, anything: weights 1/(1+e), e/(1+e) and exactly 0."""
    source = source_of([[2.0, 0.0], [0.0, 1.0], [9.0, 9.0]], [[0.0]] * 3, [False, False, True])
    weights = attention_weights(torch.tensor([[[0.0, 1.0]]]), source)

    assert weights.flatten().tolist() == pytest.approx([1 / (1 + E), E / (1 + E), 0.0])


def test_attention_is_worked_by_hand() -> None:
    """The query is a layer's output and the token; what comes back is added; each sum is scaled."""
    attention = AttentionToSource(channels=1, embed_dim=1)
    with torch.no_grad():
        attention.query.weight = torch.tensor([[2.0]])
        attention.output.weight = torch.tensor([[3.0]])
    source = source_of([[0.0], [1.0 / HALF]], [[4.0], [6.0]], [False, False])
    out = attention(torch.tensor([[[0.25]]]), torch.tensor([[[0.5]]]), source)
    mean = (4 + 6 * E) / (1 + E)  # the query is (2 * 0.25 + 0.5) * HALF, and scores 0 and 1

    assert out.item() == pytest.approx((3 * mean + 0.25) * HALF)


def test_rows_of_a_beam_read_their_own_sentence() -> None:
    """Rows 0 and 1 attend to the first sentence, 2 and 3 to the second, as each would alone."""
    torch.manual_seed(0)
    attention = AttentionToSource(3, 4)
    source = Source(
        torch.randn(2, 5, 4), torch.randn(2, 5, 4), torch.tensor([[[False] * 5], [[False] * 2 + [True] * 3]])
    )
    x, embedded = torch.randn(4, 2, 3), torch.randn(4, 2, 4)
    together = attention(x, embedded, source)

    for row in range(4):
        alone = source.select(torch.tensor([row // 2]))
        torch.testing.assert_close(together[row], attention(x[row : row + 1], embedded[row : row + 1], alone)[0])
