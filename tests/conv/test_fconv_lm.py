"""The convolutional language model: what it sees, documents, output layers, and that it learns."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqtrain.api import ConfigError, ModelSpec, OffersAdaptiveSoftmax, OffersFeatures
from seqtrain_conv.config import FConvLanguageModelConfig
from seqtrain_conv.fconv_lm import fconv_lm

PADDING, VOCAB = 1, 19
SPEC = ModelSpec(vocab_size=VOCAB, padding=PADDING, max_positions=9)
OUTPUTS = [{}, {"tie_embeddings": False}, {"tie_embeddings": False, "adaptive_softmax": (8, 12)}]


def build(**options: Any) -> Any:
    """Return a small model without dropout, in evaluation mode."""
    torch.manual_seed(0)
    config = FConvLanguageModelConfig(**{"embed_dim": 8, "layers": "16x3*2", "dropout": 0.0, **options})
    return fconv_lm(config, spec=SPEC).eval()


def tokens(*shape: int) -> Tensor:
    """Return random ids that are not padding."""
    return torch.randint(4, VOCAB, shape)


@pytest.mark.parametrize(("layers", "sight"), [("8x3*2", 5), ("8x1*3", 1), ("8x2+8x4+16x1*2", 9)])
def test_it_sees_as_far_as_its_layers_together(layers: str, sight: int) -> None:
    """Each adds its width less one; what lies further back changes nothing, nor does what follows."""
    model = build(layers=layers)
    read = tokens(1, 14)
    before = model(read)[0, 10]
    moved = []
    for position in range(14):
        other = read.clone()
        other[0, position] = 4 + (read[0, position] - 3) % (VOCAB - 4)
        if not torch.allclose(model(other)[0, 10], before, atol=1e-7):
            moved.append(position)

    assert moved == list(range(11 - sight, 11))


@pytest.mark.parametrize("options", OUTPUTS, ids=str)
def test_packed_documents_are_what_they_are_alone(options: dict[str, Any]) -> None:
    """Documents in one row have, with their numbers, the logits that each has in a row of its own."""
    model = build(**options)
    first, second, third = tokens(1, 4), tokens(1, 3), tokens(1, 7)
    rows = torch.cat((torch.cat((first, second), dim=1), third))
    packed = model(rows, torch.tensor([[0] * 4 + [1] * 3, [0] * 7]))

    torch.testing.assert_close(packed[:1, :4], model(first))
    torch.testing.assert_close(packed[:1, 4:], model(second))
    torch.testing.assert_close(packed[1:], model(third))


def test_without_numbers_a_row_is_one_document() -> None:
    """What was read before counts."""
    model = build()
    read = tokens(2, 6)

    torch.testing.assert_close(model(read), model(read, torch.full((2, 6), 4)))
    assert not torch.allclose(model(read)[:, 3:], model(read[:, 3:]), atol=1e-4)


def test_there_is_no_longest_sequence() -> None:
    """It has no positions."""
    assert build()(tokens(1, 50)).shape == (1, 50, VOCAB)


@pytest.mark.parametrize("tied", [True, False])
def test_the_output_is_offered(tied: bool) -> None:
    """A criterion may project the features itself; the table is the input's if asked for."""
    model = build(tie_embeddings=tied)
    read = tokens(2, 5)

    assert isinstance(model, OffersFeatures)
    assert not isinstance(model, OffersAdaptiveSoftmax)
    assert (model.output_projection.weight is model.tokens.weight) is tied
    torch.testing.assert_close(model.output_projection(model(read, features_only=True)), model(read))


def test_an_adaptive_softmax_is_offered() -> None:
    """Its log-probabilities of targets are those among all; they sum to 1."""
    model = build(**OUTPUTS[2])
    read, target = tokens(2, 5), tokens(2, 5)
    log_probs = model(read)
    features = model(read, features_only=True)
    of_target = model.adaptive_softmax(features.flatten(0, 1), target.flatten()).output

    assert isinstance(model, OffersAdaptiveSoftmax)
    assert not isinstance(model, OffersFeatures)
    torch.testing.assert_close(of_target.view(2, 5), log_probs.gather(2, target[:, :, None])[:, :, 0])
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(2, 5))


def test_cutoffs_beyond_the_vocabulary_are_refused() -> None:
    """The message says how large it is."""
    with pytest.raises(ConfigError, match=r"splits after 20 entries, but the vocabulary has 19"):
        build(tie_embeddings=False, adaptive_softmax=(5, 20))


@pytest.mark.parametrize("options", OUTPUTS[:2], ids=str)
def test_training_starts_near_the_uniform_distribution(options: dict[str, Any]) -> None:
    """The first loss is about ln V."""
    read = tokens(8, 15)
    loss = nn.functional.cross_entropy(build(**options)(read[:, :-1]).flatten(0, 1), read[:, 1:].flatten())

    assert loss.item() == pytest.approx(math.log(VOCAB), abs=0.3)


@pytest.mark.parametrize("options", OUTPUTS, ids=str)
def test_it_learns_to_count(options: dict[str, Any]) -> None:
    """A few dozen steps on rows in which tokens follow each other bring the loss to near zero."""
    model = build(**options, layers="64x3*2").train()
    rows = 4 + (torch.arange(15)[:, None] + torch.arange(8)) % 15
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(80):
        loss = nn.functional.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert loss.item() < 0.1


@pytest.mark.parametrize("options", OUTPUTS, ids=str)
def test_bf16_autocast_trains(options: dict[str, Any]) -> None:
    """Under autocast logits are near those of fp32, and gradients finite."""
    model = build(**options)
    read = tokens(2, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = model(read)
    low.float().logsumexp(-1).sum().backward()

    assert all(each.grad is None or each.grad.isfinite().all() for each in model.parameters())
    torch.testing.assert_close(low.float(), model(read), atol=0.1, rtol=0.1)
