"""The convolutional encoder-decoder: tables, gradients, limits, and that it learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqtrain.api import ConfigError, DataError, ModelSpec, OffersFeatures
from seqtrain_conv.config import FConvConfig
from seqtrain_conv.fconv import ConvolutionalEncoderDecoder

PADDING, VOCAB, LONGEST = 1, 19, 9
SHARED = ModelSpec(
    vocab_size=VOCAB,
    source_vocab_size=VOCAB,
    shared_vocabulary=True,
    padding=PADDING,
    max_positions=LONGEST,
    max_source_positions=LONGEST + 2,
)


def build(spec: ModelSpec = SHARED, **options: Any) -> ConvolutionalEncoderDecoder:
    """Return a small model without dropout, in evaluation mode."""
    torch.manual_seed(0)
    sizes = {"embed_dim": 8, "encoder_layers": "8x3*2", "decoder_layers": "8x3*2", "dropout": 0.0}
    return ConvolutionalEncoderDecoder(FConvConfig(**{**sizes, **options}), spec=spec).eval()


def tokens(*shape: int) -> Tensor:
    """Return random ids that are not padding."""
    return torch.randint(4, VOCAB, shape)


@pytest.mark.parametrize(("share", "tables"), [("all", 1), ("decoder", 2), ("none", 3)])
def test_embeddings_are_shared_as_asked(share: str, tables: int) -> None:
    """One table, two or three."""
    model = build(share_embeddings=share)
    source, target = model.encoder.embedding.tokens.weight, model.decoder.embedding.tokens.weight

    assert tables == len({id(source), id(target), id(model.output.weight)})


def test_one_table_needs_one_vocabulary() -> None:
    """The message gives both sizes and the way out."""
    apart = ModelSpec(vocab_size=VOCAB, source_vocab_size=23, padding=PADDING, max_positions=LONGEST)
    with pytest.raises(ConfigError, match=r"one vocabulary.*23 and 19 entries.*share_embeddings=decoder"):
        build(apart)

    assert build(apart, share_embeddings="decoder")(torch.tensor([[22, 2]]), tokens(1, 3)).shape == (1, 3, VOCAB)


def test_a_task_without_source_is_refused() -> None:
    """There is nothing to translate from."""
    with pytest.raises(ConfigError, match=r"translates from a source"):
        build(ModelSpec(vocab_size=VOCAB, padding=PADDING, max_positions=LONGEST))


@pytest.mark.parametrize(("side", "limit"), [("source", LONGEST + 2), ("target", LONGEST)])
def test_longer_sequences_are_refused(side: str, limit: int) -> None:
    """Positions that were not learned do not exist."""
    model = build()
    lengths = {"source": limit, "target": 3} if side == "source" else {"source": 3, "target": limit}
    model(tokens(1, lengths["source"]), tokens(1, lengths["target"]))
    lengths[side] += 1

    with pytest.raises(DataError, match=rf"A {side} sequence has {limit + 1} tokens.*learned {limit} positions"):
        model(tokens(1, lengths["source"]), tokens(1, lengths["target"]))


def test_decoding_ends_where_positions_end() -> None:
    """One step further is an error, too."""
    model = build()
    state = model.start_decoding({"source_tokens": tokens(1, 4)}, beam=1)
    model.decode_step(tokens(1, LONGEST), state)

    with pytest.raises(DataError, match=r"A target sequence has 10 tokens"):
        model.decode_step(tokens(1, 1), state)


@pytest.mark.parametrize(
    "options", [{}, {"share_embeddings": "none"}, {"share_embeddings": "none", "out_embed_dim": 5}], ids=str
)
def test_features_times_projection_are_logits(options: dict[str, Any]) -> None:
    """A criterion may project the features itself, whose size may be chosen."""
    model = build(**options)
    source, target = tokens(2, 4), tokens(2, 5)
    features = model(source, target, features_only=True)

    assert isinstance(model, OffersFeatures)
    assert isinstance(model.output_projection, nn.Linear)
    assert features.shape == (2, 5, options.get("out_embed_dim", 8))
    torch.testing.assert_close(model.output_projection(features), model(source, target))


@pytest.mark.parametrize("layers", [1, 3])
def test_the_encoder_learns_no_faster_than_the_decoder(layers: int) -> None:
    """What comes back from all of the decoder's layers is divided by twice their number."""
    model = build(decoder_layers=f"8x3*{layers}")
    source, target = tokens(2, 4), tokens(2, 5)
    is_padding = torch.zeros(2, 4, dtype=torch.bool)
    vectors, embedded = model.encoder(source, is_padding)
    vectors.retain_grad()
    model.decoder(target, model.decoder.read_source(vectors, embedded, is_padding)).sum().backward()
    assert vectors.grad is not None
    whole = vectors.grad.sum((0, 1))  # what the bias behind them would get
    model.zero_grad()
    model(source, target, features_only=True).sum().backward()

    torch.testing.assert_close(model.encoder.contract.bias.grad, whole / (2 * layers))


def test_what_is_read_grows_with_the_root_of_the_source() -> None:
    """A mean of more vectors is smaller; padding does not count."""
    model = build()
    vectors, embedded = torch.ones(1, 4, 8), torch.ones(1, 4, 8)
    source = model.decoder.read_source(vectors, embedded, torch.tensor([[False] * 3 + [True]]))

    torch.testing.assert_close(source.values, torch.full((1, 4, 8), 2 * 0.5**0.5 * 3**0.5))
    torch.testing.assert_close(source.keys, vectors)


def test_initial_embeddings_are_gehrings() -> None:
    """Tokens and positions are normal with 0.1; padding's row is zero."""
    model = build(embed_dim=400)
    embedding = model.decoder.embedding

    assert embedding.tokens.weight[2:].std().item() == pytest.approx(0.1, rel=0.05)
    assert embedding.positions.weight.std().item() == pytest.approx(0.1, rel=0.05)
    assert not embedding.tokens.weight[PADDING].any()


def test_it_learns_to_reverse() -> None:
    """A few dozen steps on short rows bring the loss to near zero."""
    model = build(embed_dim=24, encoder_layers="24x3*2", decoder_layers="24x3*2").train()
    source = tokens(24, 4)
    target = source.flip(1)
    shifted = torch.cat((torch.zeros(24, 1, dtype=torch.int64), target[:, :-1]), dim=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(80):
        loss = nn.functional.cross_entropy(model(source, shifted).flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert loss.item() < 0.2


def test_bf16_autocast_trains() -> None:
    """Under autocast logits are near those of fp32, and gradients finite."""
    model = build()
    source, target = tokens(3, 5), tokens(3, 4)
    source[1, 3:] = PADDING
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = model(source, target)
    low.float().logsumexp(-1).sum().backward()

    assert all(each.grad.isfinite().all() for each in model.parameters())
    torch.testing.assert_close(low.float(), model(source, target), atol=0.05, rtol=0.05)
