"""The language model with an adaptive softmax."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from seqtrain.api import ConfigError, ModelSpec, OffersAdaptiveSoftmax, OffersFeatures
from seqtrain_transformer.config import TransformerLMConfig
from seqtrain_transformer.transformer_lm import AdaptiveTransformerLM, CausalTransformer, TransformerLM, transformer_lm

VOCAB = 50
SPEC = ModelSpec(vocab_size=VOCAB, padding=1, max_positions=20)
SIZES = {"layers": 1, "embed_dim": 16, "ffn_dim": 24, "attention_heads": 2, "dropout": 0.0, "tie_embeddings": False}


def build(*cutoffs: int, **options: Any) -> CausalTransformer:
    torch.manual_seed(0)
    return transformer_lm(TransformerLMConfig(**{**SIZES, "adaptive_softmax": cutoffs, **options}), spec=SPEC).eval()


def tokens(*shape: int) -> Tensor:
    return torch.randint(4, VOCAB, shape)


def test_without_cutoffs_there_is_none() -> None:
    """The plain model is made, which offers its features."""
    model = transformer_lm(TransformerLMConfig(**SIZES), spec=SPEC)

    assert isinstance(model, TransformerLM)
    assert isinstance(model, OffersFeatures)
    assert not isinstance(model, OffersAdaptiveSoftmax)


@pytest.mark.parametrize("cutoffs", [(5,), (10, 30), (49,), (1, 49)])
@torch.no_grad()
def test_probabilities_sum_to_one(cutoffs: tuple[int, ...]) -> None:
    """Over the whole vocabulary, at every position."""
    log_probs = build(*cutoffs).double()(tokens(2, 7))

    assert log_probs.shape == (2, 7, VOCAB)
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(2, 7, dtype=torch.float64))


@torch.no_grad()
def test_by_hand_and_as_torch_s_class() -> None:
    """A frequent token has the head's probability; a rarer one its group's, times that within the group."""
    model = build(10, 30).double()
    assert isinstance(model, AdaptiveTransformerLM)
    assert isinstance(model, OffersAdaptiveSoftmax)
    assert not isinstance(model, OffersFeatures)
    read = tokens(2, 7)
    features = model(read, features_only=True)
    log_probs = model(read)
    output = model.adaptive_softmax
    head = output.head(features).log_softmax(-1)  # 10 tokens, then the two groups
    groups = [tail(features).log_softmax(-1) + head[..., 10 + index, None] for index, tail in enumerate(output.tail)]

    torch.testing.assert_close(log_probs, torch.cat([head[..., :10], *groups], dim=-1))
    found = output(features.flatten(0, 1), read.flatten()).output
    torch.testing.assert_close(log_probs.gather(-1, read[..., None]).flatten(), found)


@torch.no_grad()
def test_it_goes_on_token_by_token() -> None:
    """With log-probabilities of the whole prefix."""
    model = build(10, 30)
    read = tokens(3, 6)
    state = model.start_decoding({"tokens": read[:, :3]}, beam=1)
    steps = [model.decode_step(read[:, index : index + 1], state) for index in range(3, 6)]

    torch.testing.assert_close(torch.cat(steps, dim=1), model(read)[:, 3:], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"adaptive_softmax": ()}, "does not rise"),
        ({"adaptive_softmax": (10, 10)}, "does not rise"),
        ({"adaptive_softmax": (0, 10)}, "does not rise"),
        ({"adaptive_softmax": (10, 20, 30)}, "64 times smaller"),
        ({"adaptive_softmax": (10,), "tie_embeddings": True}, "tie_embeddings=false"),
    ],
)
def test_cutoffs_that_cannot_be_are_refused(changed: dict[str, Any], said: str) -> None:
    """Before there is a vocabulary."""
    with pytest.raises(ConfigError, match=said):
        TransformerLMConfig(**{**SIZES, **changed})


def test_a_vocabulary_that_is_too_small_is_refused() -> None:
    """With its size, which nobody knew before."""
    with pytest.raises(ConfigError, match="splits after 50 entries, but the vocabulary has 50"):
        build(10, 50)
