"""The language model: layers' sizes, tables, documents, ways of dropping, and that it learns."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqtrain.api import ModelSpec, OffersFeatures
from seqtrain_recurrent.config import LSTMLanguageModelConfig
from seqtrain_recurrent.dropout import LockedDropout
from seqtrain_recurrent.lstm_lm import LSTMLanguageModel

PADDING, VOCAB = 1, 19
SPEC = ModelSpec(vocab_size=VOCAB, padding=PADDING, max_positions=9)


def build(**options: Any) -> LSTMLanguageModel:
    """Return a small model without dropout, in evaluation mode."""
    torch.manual_seed(0)
    config = LSTMLanguageModelConfig(**{"embed_dim": 8, "hidden_dim": 10, "dropout": 0.0, **options})
    return LSTMLanguageModel(config, spec=SPEC).eval()


def tokens(*shape: int) -> Tensor:
    """Return random ids that are not padding."""
    return torch.randint(4, VOCAB, shape)


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({"layers": 3}, [(8, 10), (10, 10), (10, 8)]),
        ({"layers": 3, "tie_embeddings": False}, [(8, 10), (10, 10), (10, 10)]),
        ({"layers": 1}, [(8, 8)]),
    ],
    ids=str,
)
def test_a_table_used_twice_sets_the_last_layers_size(options: dict[str, Any], sizes: list[tuple[int, int]]) -> None:
    """What is compared with embeddings must be as large as they are."""
    model = build(**options)

    assert sizes == [(layer.input_size, layer.hidden_size) for layer in model.layers]
    assert (model.output.weight is model.tokens.weight) is options.get("tie_embeddings", True)


def test_packed_documents_are_what_they_are_alone() -> None:
    """Documents in one row have, with their numbers, the logits that each has in a row of its own."""
    model = build(layers=2)
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


def test_features_times_projection_are_logits() -> None:
    """A criterion may project the features itself."""
    model = build()
    read = tokens(2, 5)

    assert isinstance(model, OffersFeatures)
    torch.testing.assert_close(model.output_projection(model(read, features_only=True)), model(read))


def test_there_is_no_longest_sequence() -> None:
    """It has no positions."""
    assert build()(tokens(1, 50)).shape == (1, 50, VOCAB)


def test_dropout_is_set_for_each_place() -> None:
    """Those not given are as `dropout`; locked or not, in all places."""
    plain = build(dropout=0.3, dropout_between=0.2)
    locked = build(dropout=0.3, dropout_out=0.5, locked_dropout=True)

    assert [plain.dropout_in.p, plain.dropout_between.p, plain.dropout_out.p] == [0.3, 0.2, 0.3]
    assert [locked.dropout_in.p, locked.dropout_between.p, locked.dropout_out.p] == [0.3, 0.3, 0.5]
    assert isinstance(plain.dropout_in, nn.Dropout)
    assert isinstance(locked.dropout_in, LockedDropout)


@pytest.mark.parametrize("option", ["dropout", "embedding_dropout", "weight_dropout"])
def test_each_way_of_dropping_acts_in_training_alone(option: str) -> None:
    """Two passes differ in training and agree in evaluation."""
    model = build(**{option: 0.5})
    read = tokens(4, 8)

    assert torch.equal(model(read), model(read))
    model.train()
    assert not torch.equal(model(read), model(read))


def test_initial_weights_are_even() -> None:
    """Within 0.1 of zero in the table, within 1 / sqrt(U) in layers of U units; padding's row is zero."""
    model = build(layers=2, embed_dim=50, hidden_dim=400)
    table, first = model.tokens.weight, model.layers[0].weight_hh_l0

    assert 0.09 < table.abs().max() <= 0.1
    assert not table[PADDING].any()
    assert 0.045 < first.abs().max() <= 0.05


def test_training_starts_near_the_uniform_distribution() -> None:
    """The first loss is about ln V."""
    read = tokens(8, 15)
    loss = nn.functional.cross_entropy(build()(read[:, :-1]).flatten(0, 1), read[:, 1:].flatten())

    assert loss.item() == pytest.approx(math.log(VOCAB), abs=0.1)


@pytest.mark.parametrize("options", [{}, {"layers": 2, "weight_dropout": 0.1, "locked_dropout": True}], ids=str)
def test_it_learns_to_count(options: dict[str, Any]) -> None:
    """A few dozen steps on rows in which tokens follow each other bring the loss to near zero."""
    model = build(**options, embed_dim=32, hidden_dim=32).train()
    rows = 4 + (torch.arange(15)[:, None] + torch.arange(8)) % 15
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(120):
        loss = nn.functional.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert loss.item() < 0.2


@pytest.mark.parametrize("options", [{}, {"layers": 2, "weight_dropout": 0.5, "embedding_dropout": 0.1}], ids=str)
def test_bf16_autocast_trains(options: dict[str, Any]) -> None:
    """Under autocast logits are near those of fp32, and gradients of training finite."""
    model = build(**options)
    read = tokens(2, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = model(read)
        trained = model.train()(read)
    trained.float().logsumexp(-1).sum().backward()

    assert all(each.grad.isfinite().all() for each in model.parameters())
    torch.testing.assert_close(low.float(), model.eval()(read), atol=0.02, rtol=0.02)
