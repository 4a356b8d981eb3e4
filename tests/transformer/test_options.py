"""Whatever options are combined: decoding equals reading, padding and the future do nothing, gradients are finite."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from seqtrain.api import ModelSpec
from seqtrain_testing import samples
from seqtrain_testing.decoding import Decoding
from seqtrain_transformer.config import TransformerClassifierConfig, TransformerConfig, TransformerLMConfig
from seqtrain_transformer.transformer import Transformer
from seqtrain_transformer.transformer_classifier import TransformerClassifier
from seqtrain_transformer.transformer_lm import TransformerLM

PADDING, VOCAB = samples.PADDING, samples.VOCABULARY
SPEC = {"vocab_size": VOCAB, "padding": PADDING, "max_positions": 90}
SOURCE = {"source_vocab_size": VOCAB, "shared_vocabulary": True}

layer_options = st.fixed_dictionaries(
    {
        "norm": st.sampled_from(["layer", "rms"]),
        "positions": st.sampled_from(["sinusoidal", "learned", "rotary", "none"]),
        "activation": st.sampled_from(["relu", "gelu", "swiglu"]),
        "pre_norm": st.booleans(),
        "attention_heads": st.just(4),
        "key_value_heads": st.sampled_from([None, 1, 2, 4]),
        "embed_dim": st.sampled_from([16, 160]),  # 160: heads of 40, which take the fused kernel
        "ffn_dim": st.just(12),
        "dropout": st.sampled_from([0.0, 0.2]),
        "attention_dropout": st.sampled_from([0.0, 0.2]),
        "activation_dropout": st.sampled_from([0.0, 0.2]),
        "layer_drop": st.sampled_from([0.0, 0.4]),
        "checkpoint_activations": st.booleans(),
    }
)
examples = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def language_model(options: dict[str, Any]) -> TransformerLM:
    torch.manual_seed(0)
    return TransformerLM(TransformerLMConfig(layers=2, **options), spec=ModelSpec(**SPEC)).eval()


def translator(options: dict[str, Any]) -> Transformer:
    torch.manual_seed(0)
    config = TransformerConfig(encoder_layers=1, decoder_layers=2, **options)
    return Transformer(config, spec=ModelSpec(**SPEC, **SOURCE)).eval()


def classifier(options: dict[str, Any]) -> TransformerClassifier:
    torch.manual_seed(0)
    spec = ModelSpec(**SPEC, num_classes=3)
    return TransformerClassifier(TransformerClassifierConfig(layers=2, **options), spec=spec).eval()


def tokens(*shape: int) -> Tensor:
    return torch.randint(4, VOCAB, shape)


def padded(rows: Tensor, by: int = 3) -> Tensor:
    return torch.cat((rows, torch.full((len(rows), by), PADDING)), dim=1)


def assert_trains(model: nn.Module, *net_input: Tensor) -> None:
    """Check that what took part in a training step has a finite gradient."""
    model.train()(*net_input).logsumexp(-1).sum().backward()
    gradients = [each.grad for each in model.parameters() if each.grad is not None]

    assert gradients
    assert all(each.isfinite().all() for each in gradients)


def follow(model: nn.Module, net_input: dict[str, Tensor], beam: int) -> None:
    """Check five steps, with rows that change places and a sentence that is dropped, against reading prefixes whole."""
    decoding = Decoding(model, net_input, beam, tolerance={"rtol": 1e-5, "atol": 5e-6})
    for step in range(5):
        decoding.append(1 + step % 2)
        decoding.reorder()
        if step == 2:
            decoding.keep([0, 2])


@given(layer_options, st.integers(1, 3), st.sampled_from([0, 1, 4, 70]), st.booleans())
@examples
def test_a_language_model_decodes_what_it_reads(
    options: dict[str, Any], beam: int, prompt_length: int, tied: bool
) -> None:
    """After prompts short and long, none included, step by step equals at once."""
    model = language_model({**options, "tie_embeddings": tied})

    follow(model, {"tokens": tokens(3, prompt_length)}, beam)


@given(layer_options, st.integers(1, 3))
@examples
def test_a_translator_decodes_what_it_reads(options: dict[str, Any], beam: int) -> None:
    """With sources of unequal lengths, step by step equals at once."""
    model = translator(options)
    source = tokens(3, 6)
    source[1, 3:] = PADDING

    follow(model, {"source_tokens": source}, beam)


@given(layer_options)
@examples
def test_a_language_model_ignores_padding_and_the_future(options: dict[str, Any]) -> None:
    """Logits of the first tokens stay the same, whatever follows; training gives finite gradients."""
    model = language_model(options).double()
    read = tokens(2, 7)
    logits = model(read)

    torch.testing.assert_close(model(padded(read))[:, :7], logits, atol=1e-7, rtol=0)
    torch.testing.assert_close(model(torch.cat((read[:, :4], tokens(2, 5)), dim=1))[:, :4], logits[:, :4])
    assert_trains(model, padded(read))


@given(layer_options)
@examples
def test_a_translator_ignores_padding_and_the_future(options: dict[str, Any]) -> None:
    """The same of both sides of a translation."""
    model = translator(options).double()
    source, target = tokens(2, 7), tokens(2, 5)
    logits = model(source, target)

    torch.testing.assert_close(model(padded(source), padded(target))[:, :5], logits, atol=1e-7, rtol=0)
    assert_trains(model, padded(source), padded(target))


@given(layer_options, st.sampled_from(["mean", "first"]))
@examples
def test_a_classifier_ignores_padding_and_neighbours(options: dict[str, Any], pooling: str) -> None:
    """A text has the same logits alone, padded, and among others."""
    model = classifier({**options, "pooling": pooling}).double()
    read = tokens(2, 7)
    logits = model(read)

    torch.testing.assert_close(model(padded(read)), logits, atol=1e-7, rtol=0)
    torch.testing.assert_close(model(read[:1]), logits[:1], atol=1e-7, rtol=0)
    assert_trains(model, padded(read))
