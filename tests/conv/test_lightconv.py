"""The encoder-decoders with few weights: tables, positions, layers, and that they learn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqtrain.api import ConfigError, ModelSpec, OffersFeatures
from seqtrain_conv.config import LightConvConfig
from seqtrain_conv.lightconv import LightConvEncoderDecoder, dynamicconv, lightconv
from seqtrain_conv.lightconv_layers import AttentionToSource, ConvolutionSublayer, Residual
from seqtrain_conv.shared_convolution import DynamicConvolution, LightweightConvolution

PADDING, VOCAB = 1, 19
SHARED = ModelSpec(vocab_size=VOCAB, source_vocab_size=VOCAB, shared_vocabulary=True, padding=PADDING, max_positions=9)
MAKERS = [lightconv, dynamicconv]
SIZES = {
    "embed_dim": 8,
    "ffn_dim": 12,
    "attention_heads": 2,
    "encoder_widths": (3, 5),
    "decoder_widths": (3,),
    "dropout": 0.0,
    "input_dropout": 0.0,
}


def build(make: Any = lightconv, spec: ModelSpec = SHARED, **options: Any) -> LightConvEncoderDecoder:
    """Return a small model without dropout, in evaluation mode."""
    torch.manual_seed(0)
    model: LightConvEncoderDecoder = make(LightConvConfig(**{**SIZES, **options}), spec=spec).eval()
    return model


def tokens(*shape: int) -> Tensor:
    """Return random ids that are not padding."""
    return torch.randint(4, VOCAB, shape)


@pytest.mark.parametrize(("make", "kind"), [(lightconv, LightweightConvolution), (dynamicconv, DynamicConvolution)])
def test_each_name_makes_its_own_kind(make: Any, kind: type) -> None:
    """All layers have it, with the widths of the config; only the decoder's are causal."""
    model = build(make)
    encoder, decoder = (
        [layer.convolution.convolution for layer in each.layers] for each in (model.encoder, model.decoder)
    )

    assert {type(each) for each in (*encoder, *decoder)} == {kind}
    assert [(each.width, each.margin) for each in encoder] == [(3, 1), (5, 2)]
    assert [(each.width, each.margin) for each in decoder] == [(3, 2)]


@pytest.mark.parametrize(("share", "tables"), [("all", 1), ("decoder", 2), ("none", 3)])
def test_embeddings_are_shared_as_asked(share: str, tables: int) -> None:
    """One table, two or three."""
    model = build(share_embeddings=share)
    weights = {id(each) for each in (model.encoder.tokens.weight, model.decoder.tokens.weight, model.output.weight)}

    assert tables == len(weights)


def test_one_table_needs_one_vocabulary() -> None:
    """The message gives both sizes and the way out."""
    apart = ModelSpec(vocab_size=VOCAB, source_vocab_size=23, padding=PADDING, max_positions=9)
    with pytest.raises(ConfigError, match=r"one vocabulary.*23 and 19 entries.*share_embeddings=decoder"):
        build(spec=apart)


@pytest.mark.parametrize("make", MAKERS)
def test_features_times_projection_are_logits(make: Any) -> None:
    """A criterion may project the features itself."""
    model = build(make)
    source, target = tokens(2, 4), tokens(2, 5)

    assert isinstance(model, OffersFeatures)
    features = model(source, target, features_only=True)
    torch.testing.assert_close(model.output_projection(features), model(source, target))


def test_there_is_no_longest_sequence() -> None:
    """The formula goes on."""
    assert build()(tokens(1, 40), tokens(1, 50)).isfinite().all()


@pytest.mark.parametrize("glu", [True, False])
def test_gates_are_there_if_asked_for(glu: bool) -> None:
    """They double what the first linear layer gives."""
    config = LightConvConfig(**{**SIZES, "glu": glu})
    sublayer = ConvolutionSublayer(config, LightweightConvolution(8, 2, 3, 0.0, causal=True))

    assert sublayer.expand.out_features == (16 if glu else 8)
    assert sublayer(torch.randn(2, 5, 8)).shape == (2, 5, 8)


def test_norms_stand_before_or_after() -> None:
    """After: what comes out is normalised. Before: what goes in is, and the sum is left as it is."""
    x = torch.randn(2, 5, 8) * 3
    after, before = (Residual(LightConvConfig(**{**SIZES, "pre_norm": pre_norm})) for pre_norm in (False, True))

    torch.testing.assert_close(after(x, lambda y: y), nn.functional.layer_norm(2 * x, (8,)))
    torch.testing.assert_close(before(x, lambda y: y), x + nn.functional.layer_norm(x, (8,)))


def test_attention_is_multi_head_attention() -> None:
    """torch's own, with the same weights, gives the same."""
    torch.manual_seed(0)
    ours = AttentionToSource(LightConvConfig(**SIZES))
    theirs = nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        projections = (ours.query, ours.key, ours.value)
        theirs.in_proj_weight.copy_(torch.cat([each.weight for each in projections]))
        theirs.out_proj.weight.copy_(ours.output.weight)
    x, encoded = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    is_padding = torch.tensor([[False] * 5, [False] * 2 + [True] * 3])
    expected, _ = theirs(x, encoded, encoded, key_padding_mask=is_padding)

    torch.testing.assert_close(ours(x, ours.read(encoded, is_padding[:, :, None])), expected)


@pytest.mark.parametrize(
    "option", ["dropout", "input_dropout", "weight_dropout", "attention_dropout", "activation_dropout"]
)
@pytest.mark.parametrize("make", MAKERS)
def test_each_way_of_dropping_acts_in_training_alone(make: Any, option: str) -> None:
    """Two passes differ in training and agree in evaluation."""
    model = build(make, **{option: 0.5})
    source, target = tokens(4, 6), tokens(4, 5)

    assert torch.equal(model(source, target), model(source, target))
    model.train()
    assert not torch.equal(model(source, target), model(source, target))


@pytest.mark.parametrize("make", MAKERS)
def test_it_learns_to_reverse(make: Any) -> None:
    """A few dozen steps on short rows bring the loss to near zero."""
    model = build(make, embed_dim=24, ffn_dim=32, pre_norm=True).train()
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


@pytest.mark.parametrize("make", MAKERS)
def test_bf16_autocast_trains(make: Any) -> None:
    """Under autocast logits are near those of fp32, and gradients finite."""
    model = build(make)
    source, target = tokens(3, 5), tokens(3, 4)
    source[1, 3:] = PADDING
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = model(source, target)
    low.float().logsumexp(-1).sum().backward()

    assert all(each.grad.isfinite().all() for each in model.parameters())
    torch.testing.assert_close(low.float(), model(source, target), atol=0.1, rtol=0.1)
