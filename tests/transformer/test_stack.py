"""What stacks add to their layers: layer drop, checkpointer, positions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from seqtrain.api import ModelSpec
from seqtrain_transformer.config import TransformerConfig, TransformerLMConfig
from seqtrain_transformer.layout import left_to_right
from seqtrain_transformer.transformer import Transformer
from seqtrain_transformer.transformer_lm import TransformerLM

SIZES = {"embed_dim": 16, "ffn_dim": 24, "attention_heads": 2}


def language_model(**options: Any) -> TransformerLM:
    """Return a small language model in training mode."""
    torch.manual_seed(0)
    spec = ModelSpec(vocab_size=19, padding=1, max_positions=12)
    return TransformerLM(TransformerLMConfig(**{**SIZES, "layers": 3, **options}), spec=spec)


def translator(**options: Any) -> Transformer:
    """Return a small encoder-decoder in training mode."""
    torch.manual_seed(0)
    spec = ModelSpec(vocab_size=19, source_vocab_size=19, shared_vocabulary=True, padding=1, max_positions=12)
    config = TransformerConfig(**{**SIZES, "encoder_layers": 3, "decoder_layers": 2, **options})
    return Transformer(config, spec=spec)


class CountedLayer(nn.Module):
    """Adds one to everything."""

    def forward(self, x: torch.Tensor, *_: Any) -> torch.Tensor:
        """Add one."""
        return x + 1


def passes_of_counted_layers(stack: nn.Module, passes: int) -> torch.Tensor:
    """Return how many layers each of some forward passes went through."""
    stack.layers = nn.ModuleList(CountedLayer() for _ in range(5))
    stack.final_norm = nn.Identity()
    tokens = torch.full((1, 1), 7)
    with torch.no_grad():
        start = stack.embedding(tokens).mean()
        return torch.stack([stack(tokens, left_to_right()).mean() - start for _ in range(passes)])


def test_layer_drop_leaves_out_the_expected_share() -> None:
    """Of 5 layers with probability 0.3, 3.5 are passed on average, between 0 and 5 each time, and binomially."""
    stack = language_model(layer_drop=0.3, dropout=0.0).decoder
    torch.manual_seed(1)
    layers = passes_of_counted_layers(stack, 4000)

    assert layers.mean().item() == pytest.approx(3.5, abs=0.08)  # five standard errors
    assert layers.var().item() == pytest.approx(5 * 0.3 * 0.7, abs=0.12)
    assert set(layers.round().int().tolist()) == {0, 1, 2, 3, 4, 5}


def test_nothing_is_left_out_in_evaluation_mode() -> None:
    """All layers are passed, and nothing is scaled."""
    stack = language_model(layer_drop=0.3, dropout=0.0).decoder.eval()

    torch.testing.assert_close(passes_of_counted_layers(stack, 20), torch.full((20,), 5.0))


def test_without_layer_drop_nothing_is_drawn() -> None:
    """Random numbers are left alone, so that models behave as before there was layer drop."""
    model = language_model(dropout=0.0)
    torch.manual_seed(4)
    expected = torch.rand(1)
    torch.manual_seed(4)
    model(torch.full((2, 3), 7))

    assert torch.equal(torch.rand(1), expected)


def test_layers_left_out_get_no_gradient() -> None:
    """They did not take part, so there is nothing to learn; embeddings always take part."""
    model = language_model(layer_drop=0.9)
    torch.manual_seed(0)
    model(torch.full((2, 3), 7)).logsumexp(-1).sum().backward()
    trained = [layer.feed_forward.expand.weight.grad is not None for layer in model.decoder.layers]

    assert not all(trained)
    assert model.decoder.embedding.tokens.weight.grad.abs().max() > 0


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dropout": 0.3, "attention_dropout": 0.2, "activation_dropout": 0.2, "layer_drop": 0.3},
        {"norm": "rms", "positions": "rotary", "activation": "swiglu", "key_value_heads": 1, "dropout": 0.3},
    ],
    ids=str,
)
@pytest.mark.parametrize("make", [language_model, translator])
def test_checkpointing_gives_identical_gradients(make: Any, options: dict[str, Any]) -> None:
    """What is computed again is what was computed first, dropout included: equal bit for bit."""
    tokens = torch.randint(4, 19, (3, 7))
    results = []
    for checkpointed in (False, True):
        model = make(checkpoint_activations=checkpointed, **options)
        torch.manual_seed(2)
        out = model(tokens) if make is language_model else model(tokens, tokens)
        out.logsumexp(-1).sum().backward()
        results.append([out, *(each.grad for each in model.parameters() if each.grad is not None)])

    assert len(results[0]) == len(results[1])
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))


def test_checkpointing_keeps_less() -> None:
    """The backward pass of a checkpointed model holds far fewer tensors."""
    kept = []
    for checkpointed in (False, True):
        count = 0

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal count
            count += tensor.numel()
            return tensor

        model = language_model(checkpoint_activations=checkpointed)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model(torch.full((2, 9), 7))
        kept.append(count)

    assert kept[1] < kept[0] / 2


def test_evaluation_does_not_checkpoint() -> None:
    """Without gradients there is nothing to compute again."""
    model = language_model(checkpoint_activations=True).eval()
    with torch.no_grad():
        assert not model(torch.full((2, 3), 7)).requires_grad
