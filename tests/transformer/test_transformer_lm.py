"""The language model: what it reads, how it continues prompts, how it starts."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from seqtrain.api import DataError, IncrementalModel, ModelSpec, OffersFeatures
from seqtrain_testing import samples
from seqtrain_testing.decoding import follow_random_histories
from seqtrain_transformer.config import TransformerLMConfig
from seqtrain_transformer.transformer_lm import TransformerLM

PADDING, VOCAB, LONGEST = 1, 19, 20
MODERN = {"norm": "rms", "positions": "rotary", "activation": "swiglu"}
VARIANTS = [{}, MODERN, {"positions": "sinusoidal"}, {"positions": "none", "key_value_heads": 1}, {"pre_norm": False}]


def build(spec: ModelSpec | None = None, **options: Any) -> TransformerLM:
    """Return a small model in evaluation mode, without dropout."""
    torch.manual_seed(0)
    sizes = {"layers": 2, "embed_dim": 16, "ffn_dim": 24, "attention_heads": 2, "dropout": 0.0}
    spec = spec or ModelSpec(vocab_size=VOCAB, padding=PADDING, max_positions=LONGEST)
    return TransformerLM(TransformerLMConfig(**{**sizes, **options}), spec=spec).eval()


def tokens(*shape: int) -> Tensor:
    """Return random ids that are not padding."""
    return torch.randint(4, VOCAB, shape)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_packed_documents_are_what_they_are_alone(options: dict[str, Any]) -> None:
    """Two documents in one row have, with a mask, the logits that each has in a row of its own."""
    model = build(**options).double()
    first, second = tokens(1, 4), tokens(1, 6)
    documents = torch.tensor([[0] * 4 + [1] * 6])
    packed = model(torch.cat((first, second), dim=1), documents)

    torch.testing.assert_close(packed[:, :4], model(first), atol=1e-6, rtol=0)
    torch.testing.assert_close(packed[:, 4:], model(second), atol=1e-6, rtol=0)


def test_one_document_a_row_is_what_no_documents_are() -> None:
    """A mask that forbids nothing changes nothing."""
    model = build()
    read = tokens(3, 7)

    torch.testing.assert_close(model(read, torch.full((3, 7), 5)), model(read))


def test_documents_are_read_beyond_the_first_only_with_their_mask() -> None:
    """Without documents a row is read from its start."""
    model = build(**MODERN)
    read = tokens(1, 8)

    assert not torch.allclose(model(read)[:, 4:], model(read, torch.tensor([[0] * 4 + [1] * 4]))[:, 4:], atol=1e-3)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_prompts_are_continued_as_if_read_from_the_start(options: dict[str, Any]) -> None:
    """After a prompt, rows that change places have the logits of prompt and continuation read at once."""
    model = build(samples.model_spec("lm"), **options)

    follow_random_histories(model, "lm", tolerance={"rtol": 1e-5, "atol": 2e-6})


def test_a_prompt_is_read_once_whatever_the_beam() -> None:
    """Its keys are computed for each prompt, not for each row that goes on from it."""
    model = build()
    seen = []
    model.decoder.embedding.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    model.start_decoding({"tokens": tokens(2, 5)}, beam=4)

    assert seen == [2]


def test_prompts_of_one_token_have_nothing_to_read_first() -> None:
    """What is handed over is empty, and the first token comes with the first step."""
    model = build()
    state = model.start_decoding({"tokens": torch.empty(3, 0, dtype=torch.int64)}, beam=2)
    first = tokens(6, 1)

    assert state.length == 0
    torch.testing.assert_close(model.decode_step(first, state), model(first))


@pytest.mark.parametrize("positions", ["learned", "rotary", "none", "sinusoidal"])
def test_longer_sequences_are_refused(positions: str) -> None:
    """One token beyond the longest is an error, in a batch and while decoding."""
    model = build(positions=positions)
    model(tokens(1, LONGEST))
    state = model.start_decoding({"tokens": tokens(1, LONGEST)}, beam=1)

    with pytest.raises(DataError, match=r"A sequence has 21 tokens.*20"):
        model(tokens(1, LONGEST + 1))
    with pytest.raises(DataError, match=r"A sequence has 21 tokens.*20"):
        model.decode_step(tokens(1, 1), state)


@pytest.mark.parametrize("positions", ["rotary", "none", "sinusoidal"])
def test_longer_sequences_are_taken_on_request(positions: str) -> None:
    """The formula goes on, and what came before stays as it was."""
    read = tokens(1, 3 * LONGEST)
    longer = build(positions=positions, extend_positions=True)(read)
    torch.testing.assert_close(longer[:, :LONGEST], build(positions=positions)(read[:, :LONGEST]))

    assert longer.isfinite().all()


@pytest.mark.parametrize("tied", [True, False])
def test_embeddings_are_tied_as_asked(tied: bool) -> None:
    """Input and output share one table, or have two."""
    model = build(tie_embeddings=tied)

    assert (model.output.weight is model.decoder.embedding.tokens.weight) is tied


def test_features_times_projection_are_logits() -> None:
    """A criterion may project the features itself."""
    model = build()
    read = tokens(2, 5)
    features = model(tokens=read, features_only=True)

    assert isinstance(model, OffersFeatures)
    assert isinstance(model, IncrementalModel)
    torch.testing.assert_close(features @ model.output_projection.weight.T, model(read))


def test_initial_weights_are_gpt_2s() -> None:
    """All are normal with 0.02, but those into the residual stream with 0.02 / sqrt(2 layers); biases are zero."""
    spec = ModelSpec(vocab_size=500, padding=PADDING, max_positions=300)
    model = build(spec, layers=8, embed_dim=64, ffn_dim=128, activation="swiglu")
    layer = model.decoder.layers[3]
    plain = [layer.attention.query, layer.attention.key, layer.feed_forward.gate, layer.feed_forward.expand]
    into_stream = [layer.attention.output, layer.feed_forward.contract]

    for weight in (model.output.weight[2:], model.decoder.embedding.positions.weight, *(each.weight for each in plain)):
        assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    for linear in into_stream:
        assert linear.weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)
    assert not any(linear.bias.any() for linear in (*plain, *into_stream))
    assert not model.output.weight[PADDING].any()


def test_with_sinusoids_tokens_start_as_large_as_these() -> None:
    """Tokens are scaled to variance one, which sinusoids have half of; 0.02 would drown in them."""
    model = build(ModelSpec(vocab_size=500, padding=PADDING, max_positions=30), positions="sinusoidal", embed_dim=64)
    embedding = model.decoder.embedding

    assert (embedding.tokens.weight.std() * embedding.scale).item() == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize(
    "options", [{}, MODERN, {"pre_norm": False}, {"positions": "sinusoidal", "tie_embeddings": False}], ids=str
)
def test_training_starts_near_the_uniform_distribution(options: dict[str, Any]) -> None:
    """The first loss is about ln V."""
    model = build(**options, embed_dim=64)
    read = tokens(8, 15)
    loss = torch.nn.functional.cross_entropy(model(read[:, :-1]).flatten(0, 1), read[:, 1:].flatten())

    assert loss.item() == pytest.approx(math.log(VOCAB), abs=0.6)


@pytest.mark.parametrize("options", [{}, MODERN], ids=["default", "modern"])
def test_it_learns_to_count(options: dict[str, Any]) -> None:
    """A few dozen steps on rows in which tokens follow each other bring the loss to near zero."""
    model = build(**options, embed_dim=32, layers=1).train()
    rows = 4 + (torch.arange(15)[:, None] + torch.arange(8)) % 15
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert loss.item() < 0.1


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_bf16_autocast_trains(options: dict[str, Any]) -> None:
    """Under autocast logits are near those of fp32, and gradients finite."""
    model = build(**options)
    read = tokens(2, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = model(read)
    low.float().logsumexp(-1).sum().backward()

    assert all(each.grad.isfinite().all() for each in model.parameters())
    torch.testing.assert_close(low.float(), model(read), atol=0.1, rtol=0.1)
