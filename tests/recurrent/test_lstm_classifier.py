"""The classifier: what stands for a text, and that it learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from seqtrain.api import ConfigError, ModelSpec, OffersFeatures
from seqtrain_recurrent.config import LSTMClassifierConfig
from seqtrain_recurrent.lstm_classifier import LSTMClassifier
from seqtrain_recurrent.stack import Encoded

PADDING, VOCAB = 1, 19
SPEC = ModelSpec(vocab_size=VOCAB, padding=PADDING, num_classes=3, max_positions=9)


def build(spec: ModelSpec = SPEC, **options: Any) -> LSTMClassifier:
    """Return a small model in evaluation mode."""
    torch.manual_seed(0)
    return LSTMClassifier(LSTMClassifierConfig(**{"embed_dim": 8, "hidden_dim": 6, **options}), spec=spec).eval()


@pytest.mark.parametrize(
    ("pooling", "expected"), [("max", [[3.0, 4.0]]), ("mean", [[2.0, 1.0]]), ("last", [[7.0, 8.0]])]
)
def test_what_stands_for_a_text_is_worked_by_hand(pooling: str, expected: list[list[float]]) -> None:
    """Vectors at padding count neither for the maximum nor for the mean."""
    vectors = torch.tensor([[[1.0, 4.0], [3.0, -2.0], [99.0, 99.0]]])
    states = torch.tensor([[[5.0, 6.0]], [[7.0, 8.0]]])
    is_real = torch.tensor([[True, True, False]])

    assert expected == build(pooling=pooling)._pool(Encoded(vectors, states, states), is_real).tolist()


def test_a_task_without_classes_is_refused() -> None:
    """The message names models that would do."""
    with pytest.raises(ConfigError, match=r"lstm_classifier labels texts.*lstm_lm"):
        build(ModelSpec(vocab_size=VOCAB, padding=PADDING, max_positions=9))


@pytest.mark.parametrize("options", [{}, {"bidirectional": False, "layers": 2, "pooling": "last"}], ids=str)
def test_features_times_projection_are_logits(options: dict[str, Any]) -> None:
    """A criterion may project the features itself; one class is a number."""
    model = build(**options)
    read = torch.randint(4, VOCAB, (2, 5))
    features = model(read, features_only=True)

    assert isinstance(model, OffersFeatures)
    assert features.shape == (2, 6 if options else 12)
    torch.testing.assert_close(model.output_projection(features), model(read))


@pytest.mark.parametrize("pooling", ["max", "mean", "last"])
def test_it_learns_what_a_text_begins_with(pooling: str) -> None:
    """A few dozen steps bring the loss to near zero, with texts of unequal lengths."""
    model = build(pooling=pooling, embed_dim=16, hidden_dim=16, dropout=0.0).train()
    read = torch.randint(4, VOCAB, (30, 6))
    read[::2, 3:] = PADDING
    label = read[:, 0] % 3
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(60):
        loss = nn.functional.cross_entropy(model(read), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert loss.item() < 0.1


def test_bf16_autocast_trains() -> None:
    """Under autocast logits are near those of fp32, and gradients finite."""
    model = build()
    read = torch.randint(4, VOCAB, (3, 6))
    read[1, 2:] = PADDING
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = model(read)
    low.float().logsumexp(-1).sum().backward()

    assert all(each.grad.isfinite().all() for each in model.parameters())
    torch.testing.assert_close(low.float(), model(read), atol=0.02, rtol=0.02)
