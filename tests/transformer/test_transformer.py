"""The Transformer as a whole: padding, causality, options, gradients, precision."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from seqtrain.errors import ConfigError, DataError
from seqtrain.protocols import IncrementalModel, ModelSpec, OffersFeatures
from seqtrain_transformer.config import TransformerConfig
from seqtrain_transformer.transformer import Transformer

PADDING = 1
SPEC = ModelSpec(
    vocab_size=23,
    source_vocab_size=23,
    shared_vocabulary=True,
    padding=PADDING,
    max_positions=20,
    max_source_positions=30,
)
SEPARATE = ModelSpec(vocab_size=23, source_vocab_size=17, padding=PADDING, max_positions=20)
VARIANTS = [
    {},
    {"pre_norm": False},
    {"positions": "learned"},
    {"activation": "gelu", "share_embeddings": "none"},
    {"share_embeddings": "decoder", "attention_heads": 1, "encoder_layers": 1},
    {"norm": "rms", "positions": "rotary", "activation": "swiglu"},
    {"positions": "none", "key_value_heads": 2},
]


def build(spec: ModelSpec = SPEC, **options: Any) -> Transformer:
    """Return a small model in evaluation mode."""
    torch.manual_seed(0)
    sizes = {"encoder_layers": 2, "decoder_layers": 2, "embed_dim": 16, "ffn_dim": 24, "attention_heads": 4}
    return Transformer(TransformerConfig(**{**sizes, **options}), spec=spec).eval()


def tokens(*shape: int) -> Tensor:
    """Return random ids that are not padding."""
    return torch.randint(4, 17, shape)


def padded(rows: Tensor, by: int) -> Tensor:
    """Return the rows with padding on the right."""
    return torch.cat((rows, torch.full((len(rows), by), PADDING)), dim=1)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_padding_changes_nothing(options: dict[str, Any]) -> None:
    """Padding on either side leaves the logits of real positions as they were."""
    model = build(**options).double()
    source, target = tokens(3, 7), tokens(3, 5)
    expected = model(source, target)

    torch.testing.assert_close(model(padded(source, 4), padded(target, 3))[:, :5], expected, atol=1e-12, rtol=0)


def test_padding_changes_nothing_in_long_sentences() -> None:
    """The same beyond the length where the fused kernel takes over."""
    model = build().double()
    source, target = tokens(2, 70), tokens(2, 80)

    torch.testing.assert_close(
        model(padded(source, 9), padded(target, 6))[:, :80], model(source, target), atol=1e-12, rtol=0
    )


def test_a_sentence_does_not_see_its_neighbours() -> None:
    """A row alone gives what it gives in a batch with longer ones."""
    model = build().double()
    short, long, target = tokens(1, 3), tokens(1, 9), tokens(2, 5)
    together = model(torch.cat((padded(short, 6), long)), target)

    torch.testing.assert_close(together[:1], model(short, target[:1]), atol=1e-12, rtol=0)


def test_padding_has_no_gradient() -> None:
    """No gradient of a sum over real positions differs because of padding."""
    model = build().double()
    source, target = tokens(3, 7), tokens(3, 5)
    model(source, target).square().sum().backward()
    expected = [each.grad.clone() for each in model.parameters()]
    model.zero_grad()
    model(padded(source, 2), padded(target, 2))[:, :5].square().sum().backward()

    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_later_target_tokens_have_no_influence(options: dict[str, Any]) -> None:
    """Changing token 3 changes no prediction before it, and changes that after it."""
    model = build(**options)
    source, target = tokens(2, 6), tokens(2, 5)
    changed = target.clone()
    changed[:, 3] = 20
    before, after = model(source, target), model(source, changed)

    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3:], after[:, 3:])


def test_every_source_token_has_influence() -> None:
    """Changing any source token changes the prediction."""
    model = build()
    source, target = tokens(1, 6), tokens(1, 2)
    for position in range(6):
        changed = source.clone()
        changed[0, position] = 20

        assert not torch.allclose(model(source, target), model(changed, target))


def test_features_times_projection_are_logits() -> None:
    """A criterion may project the features itself."""
    model = build()
    source, target = tokens(2, 6), tokens(2, 5)
    features = model(source_tokens=source, prev_output_tokens=target, features_only=True)

    assert features.shape == (2, 5, 16)
    assert isinstance(model, OffersFeatures)
    assert isinstance(model, IncrementalModel)
    assert model.output_projection.bias is None
    torch.testing.assert_close(features @ model.output_projection.weight.T, model(source, target))


@pytest.mark.parametrize(("share", "tables"), [("all", 1), ("decoder", 2), ("none", 3)])
def test_embeddings_are_shared_as_asked(share: str, tables: int) -> None:
    """Source, target and output use one, two or three tables."""
    model = build(share_embeddings=share)
    weights = [
        model.encoder.embedding.tokens.weight,
        model.decoder.embedding.tokens.weight,
        model.output_projection.weight,
    ]

    assert len({id(weight) for weight in weights}) == tables
    assert (weights[1] is weights[2]) == (share != "none")


def test_sharing_all_needs_a_shared_vocabulary() -> None:
    """Two vocabularies cannot share one table; the message says what to set."""
    with pytest.raises(ConfigError, match=r"17 and 23 entries\. Set model\.share_embeddings=decoder"):
        build(SEPARATE, share_embeddings="all")


def test_two_vocabularies_keep_their_sizes() -> None:
    """Without a shared vocabulary each side has its own table."""
    model = build(SEPARATE, share_embeddings="decoder")

    assert model.encoder.embedding.tokens.weight.shape == (17, 16)
    assert model.decoder.embedding.tokens.weight.shape == (23, 16)


def test_a_task_without_a_source_is_refused() -> None:
    """The model has an encoder, which wants something to read."""
    with pytest.raises(ConfigError, match="has none"):
        build(ModelSpec(vocab_size=23, padding=PADDING, max_positions=20))


def test_pre_norm_ends_in_a_norm_and_post_norm_does_not() -> None:
    """Pre-norm has one norm more in encoder and decoder: weight and bias of D units each."""
    count = {
        pre_norm: sum(each.numel() for each in build(pre_norm=pre_norm).parameters()) for pre_norm in (True, False)
    }

    assert count[True] - count[False] == 2 * 2 * 16


def test_post_norm_features_are_normalised() -> None:
    """After the last norm, as initialised, each position has mean 0 and variance 1."""
    features = build(pre_norm=False)(tokens(2, 6), tokens(2, 5), features_only=True)

    torch.testing.assert_close(features.mean(-1), torch.zeros(2, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(features.var(-1, unbiased=False), torch.ones(2, 5), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("source", "target", "message"), [(31, 5, "source .*31 tokens.*30"), (5, 21, "target .*21 .*20")]
)
def test_learned_positions_refuse_longer_sentences(source: int, target: int, message: str) -> None:
    """Either side is held to the longest sequence of the task."""
    with pytest.raises(DataError, match=message):
        build(positions="learned")(tokens(1, source), tokens(1, target))


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary", "none"])
def test_formulas_go_on_unless_they_are_to_stop(positions: str) -> None:
    """Sentences beyond the longest are translated by default, and refused on request."""
    source, target = tokens(1, 31), tokens(1, 21)

    assert build(positions=positions)(source, target).isfinite().all()
    with pytest.raises(DataError, match=r"source .*31 tokens.*30"):
        build(positions=positions, extend_positions=False)(source, target)


def test_source_positions_default_to_the_targets() -> None:
    """A task that names one longest sequence means both sides."""
    model = build(SEPARATE, positions="learned", share_embeddings="none")

    assert len(model.encoder.embedding.positions.weight) == 20


@pytest.mark.parametrize("options", [*VARIANTS, {"attention_dropout": 0.2, "activation_dropout": 0.2}], ids=str)
def test_every_parameter_gets_a_finite_gradient(options: dict[str, Any]) -> None:
    """In training, dropout and padding included, no parameter is left out."""
    model = build(dropout=0.1, **options).train()
    model(padded(tokens(4, 7), 2), padded(tokens(4, 6), 1)).logsumexp(-1).sum().backward()

    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if not name.endswith("key.bias"):  # softmax does not see what is added to all scores alike
            assert parameter.grad.abs().max() > 0, name


def test_a_seed_repeats_a_training_step() -> None:
    """Dropout of all kinds draws from torch's generator alone."""
    model = build(dropout=0.3, attention_dropout=0.1, activation_dropout=0.1).train()
    source, target = tokens(2, 6), tokens(2, 5)
    results = []
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        results.append(model(source, target))

    assert torch.equal(results[0], results[2])
    assert not torch.equal(results[0], results[1])


def test_initial_weights_are_those_documented() -> None:
    """Embeddings have variance 1/D and a zero padding row; linear weights lie within Xavier's bounds, biases at 0."""
    torch.manual_seed(0)
    spec = ModelSpec(vocab_size=500, source_vocab_size=500, shared_vocabulary=True, padding=PADDING, max_positions=20)
    model = Transformer(TransformerConfig(embed_dim=64, ffn_dim=100, attention_heads=4, encoder_layers=1), spec=spec)
    table = model.encoder.embedding.tokens.weight.detach()
    layer = model.encoder.layers[0]

    assert not table[PADDING].any()
    assert abs(table.std().item() * 8 - 1) < 0.03
    for linear, fan_in, fan_out in ((layer.attention.query, 64, 3 * 64), (layer.feed_forward.expand, 64, 100)):
        bound = (6 / (fan_in + fan_out)) ** 0.5
        assert 0.95 * bound < linear.weight.abs().max() <= bound
        assert not linear.bias.any()


def test_initial_logits_are_of_order_one() -> None:
    """Training starts near the uniform distribution, not far from it."""
    logits = build(embed_dim=64)(tokens(8, 9), tokens(8, 9))

    assert 0.5 < logits.std().item() < 2


def test_state_dict_round_trip() -> None:
    """A model of other weights gives the same results once it has taken over the state."""
    model = build(positions="learned")
    source, target = tokens(2, 6), tokens(2, 5)
    torch.manual_seed(9)
    other = Transformer(
        TransformerConfig(
            encoder_layers=2, decoder_layers=2, embed_dim=16, ffn_dim=24, attention_heads=4, positions="learned"
        ),
        spec=SPEC,
    ).eval()

    assert not torch.equal(model(source, target), other(source, target))
    other.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(model(source, target), other(source, target))


def test_state_holds_parameters_only() -> None:
    """Nothing that can be computed is saved."""
    model = build()

    assert set(model.state_dict()) == {name for name, _ in model.named_parameters(remove_duplicate=False)}


def test_bf16_autocast_trains() -> None:
    """Under autocast the logits are near those of fp32 and the gradients finite."""
    model = build(dropout=0.1).train()
    source, target = padded(tokens(2, 6), 1), tokens(2, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(source, target)
    logits.float().logsumexp(-1).sum().backward()
    model.eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = model(source, target)

    assert all(each.grad.isfinite().all() for each in model.parameters())
    torch.testing.assert_close(low.float(), model(source, target), atol=0.1, rtol=0.1)


def test_it_learns_to_copy() -> None:
    """A few dozen steps on the same four sentences bring the loss to near zero."""
    model = build(embed_dim=32, dropout=0.0, encoder_layers=1, decoder_layers=1).train()
    source = tokens(4, 6)
    shifted = torch.cat((torch.full((4, 1), 2), source[:, :-1]), dim=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(model(source, shifted).flatten(0, 1), source.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert loss.item() < 0.1
