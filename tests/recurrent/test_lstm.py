"""The encoder-decoder: its tables, initial weights, dropout, and that it learns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqtrain.api import ConfigError, ModelSpec, OffersFeatures
from seqtrain_recurrent.config import LSTMConfig
from seqtrain_recurrent.lstm import LSTMEncoderDecoder

PADDING, VOCAB = 1, 19
SHARED = ModelSpec(vocab_size=VOCAB, source_vocab_size=VOCAB, shared_vocabulary=True, padding=PADDING, max_positions=9)
APART = ModelSpec(vocab_size=VOCAB, source_vocab_size=23, padding=PADDING, max_positions=9)


def build(spec: ModelSpec = SHARED, **options: Any) -> LSTMEncoderDecoder:
    """Return a small model without dropout, in evaluation mode."""
    torch.manual_seed(0)
    config = LSTMConfig(**{"embed_dim": 8, "hidden_dim": 10, "dropout": 0.0, **options})
    return LSTMEncoderDecoder(config, spec=spec).eval()


def tokens(*shape: int) -> Tensor:
    """Return random ids that are not padding."""
    return torch.randint(4, VOCAB, shape)


@pytest.mark.parametrize(("share", "tables"), [("all", 1), ("decoder", 2), ("none", 3)])
def test_embeddings_are_shared_as_asked(share: str, tables: int) -> None:
    """One table, two or three; only an output of its own has a bias."""
    model = build(share_embeddings=share)
    weights = {id(each) for each in (model.encoder.tokens.weight, model.decoder.tokens.weight, model.output.weight)}

    assert tables == len(weights)
    assert (model.output.bias is None) is (share != "none")


def test_one_table_needs_one_vocabulary() -> None:
    """The message gives both sizes and the way out."""
    with pytest.raises(ConfigError, match=r"one vocabulary.*23 and 19 entries.*share_embeddings=decoder"):
        build(APART)

    assert build(APART, share_embeddings="decoder")(torch.tensor([[22, 2]]), tokens(1, 3)).shape == (1, 3, VOCAB)


def test_a_task_without_source_is_refused() -> None:
    """There is nothing to translate from."""
    with pytest.raises(ConfigError, match=r"lstm translates from a source"):
        build(ModelSpec(vocab_size=VOCAB, padding=PADDING, max_positions=9))


@pytest.mark.parametrize("options", [{}, {"hidden_dim": 4, "bidirectional": True}, {"layers": 3}], ids=str)
def test_features_times_projection_are_logits(options: dict[str, Any]) -> None:
    """A criterion may project the features itself; they have the size of embeddings."""
    model = build(**options)
    source, target = tokens(2, 4), tokens(2, 5)
    features = model(source, target, features_only=True)

    assert isinstance(model, OffersFeatures)
    assert features.shape == (2, 5, 8)
    torch.testing.assert_close(model.output_projection(features), model(source, target))


def test_states_are_handed_over_as_they_are_where_sizes_agree() -> None:
    """Only a reader in both directions needs layers that make its states smaller."""
    kinds = [type(build(bidirectional=each).decoder.start_cell) for each in (True, False)]

    assert kinds == [nn.Linear, nn.Identity]


def test_the_decoder_starts_from_the_source() -> None:
    """The cells that it starts from are the encoder's, each layer's from the same layer."""
    model = build(bidirectional=False, layers=2)
    source = tokens(3, 4)
    encoded = model.encoder(source, source != PADDING)
    state = model.start_decoding({"source_tokens": source}, beam=1)

    torch.testing.assert_close(torch.stack(state.cell), encoded.cell)
    torch.testing.assert_close(torch.stack(state.hidden), encoded.hidden)
    assert state.fed is not None
    assert not state.fed.any()


def test_what_attention_gave_is_fed_in() -> None:
    """With the same token, another attentional state leads to other logits."""
    model = build()
    source = tokens(1, 4)
    states = [model.start_decoding({"source_tokens": source}, beam=1) for _ in range(2)]
    states[1].fed = torch.ones(1, 10)
    first, second = (model.decode_step(torch.tensor([[5]]), state) for state in states)

    assert not torch.allclose(first, second)


def test_initial_weights_are_even() -> None:
    """Within 0.1 of zero, with the deviation of a uniform distribution; padding's row is zero."""
    model = build(embed_dim=60, hidden_dim=60, share_embeddings="none")

    for name, each in model.named_parameters():
        assert each.abs().max() <= 0.1, name
    assert model.decoder.layers[0].weight_ih.std().item() == pytest.approx(0.2 / 12**0.5, rel=0.02)
    assert not model.encoder.tokens.weight[PADDING].any()
    assert not model.decoder.tokens.weight[PADDING].any()


def test_dropout_is_set_for_each_place() -> None:
    """Those not given are as `dropout`."""
    model = build(dropout=0.3, encoder_dropout_in=0.0, decoder_dropout_out=0.5)
    shares = [
        each.p
        for each in (
            model.encoder.dropout_in, model.encoder.dropout_out, model.decoder.dropout_in, model.decoder.dropout_out,
        )
    ]  # fmt: skip

    assert shares == [0.0, 0.3, 0.3, 0.5]
    assert model.encoder.stack.dropout.p == 0.3


def test_it_learns_to_reverse() -> None:
    """A few dozen steps on short rows bring the loss to near zero."""
    model = build(embed_dim=24, hidden_dim=32).train()
    source = tokens(24, 4)
    target = source.flip(1)
    shifted = torch.cat((torch.zeros(24, 1, dtype=torch.int64), target[:, :-1]), dim=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(80):
        loss = nn.functional.cross_entropy(model(source, shifted).flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert loss.item() < 0.2


def test_bf16_autocast_trains() -> None:
    """Under autocast logits are near those of fp32, and gradients finite."""
    model = build(layers=2)
    source, target = tokens(3, 5), tokens(3, 4)
    source[1, 3:] = PADDING
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = model(source, target)
    low.float().logsumexp(-1).sum().backward()

    assert all(each.grad.isfinite().all() for each in model.parameters())
    torch.testing.assert_close(low.float(), model(source, target), atol=0.02, rtol=0.02)
