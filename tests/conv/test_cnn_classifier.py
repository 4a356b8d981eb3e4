"""The classifier: maxima over time, and that it learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from seqtrain.api import ConfigError, ModelSpec, OffersFeatures
from seqtrain_conv.cnn_classifier import CNNClassifier, max_over_time
from seqtrain_conv.config import CNNClassifierConfig

PADDING, VOCAB = 1, 19
SPEC = ModelSpec(vocab_size=VOCAB, padding=PADDING, num_classes=3, max_positions=9)


def build(spec: ModelSpec = SPEC, **options: Any) -> CNNClassifier:
    """Return a small model in evaluation mode."""
    torch.manual_seed(0)
    return CNNClassifier(CNNClassifierConfig(**{"embed_dim": 8, "channels": 4, **options}), spec=spec).eval()


def test_a_maximum_ignores_filters_that_lie_beyond_the_text() -> None:
    """Of a text of 2 tokens in 4 positions, filters of width 2 touch it in their first 3 places."""
    found = torch.tensor([[[-5.0, -3.0, -4.0, 9.0, 9.0]]])
    is_padding = torch.tensor([[False, False, True, True]])

    assert max_over_time(found, is_padding).item() == -3
    assert max_over_time(found, torch.zeros(1, 4, dtype=torch.bool)).item() == 9


def test_features_are_worked_by_hand() -> None:
    """Filter (1, -2) over the values 3 and 1, with zeros around: -6, 1 and 1; the largest, if above 0."""
    model = build(embed_dim=1, channels=1, widths=(2,))
    with torch.no_grad():
        model.tokens.weight[5], model.tokens.weight[6] = 3.0, 1.0
        model.convolutions[0].weight.copy_(torch.tensor([[[1.0, -2.0]]]))
        model.convolutions[0].bias.zero_()
    text = torch.tensor([[5, 6, PADDING, PADDING]])

    assert model(text, features_only=True).item() == 1.0
    with torch.no_grad():
        model.convolutions[0].bias.fill_(-2.0)
    assert model(text, features_only=True).item() == 0.0


@pytest.mark.parametrize("length", [1, 2, 6])
def test_padding_changes_nothing_to_the_bit(length: int) -> None:
    """Also where a text is shorter than a filter."""
    model = build(widths=(1, 3, 5))
    text = torch.randint(4, VOCAB, (2, length))
    wide = torch.cat((text, torch.full((2, 7), PADDING)), dim=1)

    torch.testing.assert_close(model(wide), model(text), atol=1e-6, rtol=0)


def test_a_task_without_classes_is_refused() -> None:
    """The message names a model that would do."""
    with pytest.raises(ConfigError, match=r"cnn_classifier labels texts.*fconv_lm"):
        build(ModelSpec(vocab_size=VOCAB, padding=PADDING, max_positions=9))


def test_features_times_projection_are_logits() -> None:
    """A criterion may project the features itself: one for each channel of each width."""
    model = build()
    read = torch.randint(4, VOCAB, (2, 5))
    features = model(read, features_only=True)

    assert isinstance(model, OffersFeatures)
    assert features.shape == (2, 12)
    torch.testing.assert_close(model.output_projection(features), model(read))


def test_it_learns_a_pattern() -> None:
    """Whether 5 follows 4 anywhere is learned in a few dozen steps."""
    model = build(dropout=0.0).train()
    read = torch.randint(6, VOCAB, (40, 7))
    read[::2, 2], read[::2, 3] = 4, 5
    read[1::2, 3], read[1::2, 2] = 4, 5
    label = (torch.arange(40) % 2 == 0).long()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
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
    torch.testing.assert_close(low.float(), model(read), atol=0.05, rtol=0.05)
