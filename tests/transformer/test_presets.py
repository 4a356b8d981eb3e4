"""The presets: they build, and have the sizes they claim."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from seqtrain.api import ModelSpec
from seqtrain_transformer.config import TransformerClassifierConfig, TransformerConfig, TransformerLMConfig
from seqtrain_transformer.plugin import seqtrain_components
from seqtrain_transformer.transformer import Transformer
from seqtrain_transformer.transformer_classifier import TransformerClassifier
from seqtrain_transformer.transformer_lm import TransformerLM

MODELS: dict[str, tuple[type, type]] = {
    "transformer": (TransformerConfig, Transformer),
    "transformer_lm": (TransformerLMConfig, TransformerLM),
    "transformer_classifier": (TransformerClassifierConfig, TransformerClassifier),
}
PRESETS: dict[str, dict[str, Any]] = {
    model: yaml.safe_load((files("seqtrain_transformer") / f"presets/{model}.yaml").read_text()) for model in MODELS
}
ALL = [(model, name) for model, presets in PRESETS.items() for name in presets]
SHARED = ModelSpec(vocab_size=8000, source_vocab_size=8000, shared_vocabulary=True, padding=1, max_positions=1024)


def config_of(model: str, name: str, **options: Any) -> Any:
    """Return a preset's config, with other options."""
    return MODELS[model][0](**{**PRESETS[model][name]["config"], **options})


def build(model: str, name: str, spec: ModelSpec, **options: Any) -> nn.Module:
    """Return the model of a preset, without memory for its weights."""
    with torch.device("meta"):
        return MODELS[model][1](config_of(model, name, **options), spec=spec)


def count(module: nn.Module) -> int:
    """Return the number of parameters, shared ones once."""
    return sum(each.numel() for each in module.parameters())


def test_presets_are_the_documented_ones() -> None:
    """Small ones come first."""
    assert {model: list(presets) for model, presets in PRESETS.items()} == {
        "transformer": [
            "tiny", "modern", "small", "iwslt", "base", "big", "big-en-fr", "big-attention-dropout", "big-t2t",
        ],
        "transformer_lm": ["nano", "modern", "base", "big", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"],
        "transformer_classifier": ["tiny", "small", "modern", "base", "prenorm", "large"],
    }  # fmt: skip


def test_the_components_name_presets_and_tasks() -> None:
    """Each record points at its presets, says what tasks it is for, and fits on a line."""
    components = {each.name: each for each in seqtrain_components()}

    assert {name: each.for_tasks for name, each in components.items()} == {
        "transformer": ("translation",),
        "transformer_lm": ("lm",),
        "transformer_classifier": ("classify", "lm"),
    }
    for name, each in components.items():
        assert each.presets == f"seqtrain_transformer:presets/{name}.yaml"
        assert 0 < len(each.summary) <= 72


@pytest.mark.parametrize("model", MODELS)
def test_no_name_means_two_presets(model: str) -> None:
    """Names and aliases are all different."""
    names = [word for name, preset in PRESETS[model].items() for word in (name, *preset.get("aliases", ()))]

    assert len(names) == len(set(names))


@pytest.mark.parametrize(("model", "name"), ALL)
def test_summaries_tell_the_true_sizes(model: str, name: str) -> None:
    """The sizes in a summary are those of the config; where order of norms is a choice, so is that."""
    config, summary = config_of(model, name), PRESETS[model][name]["summary"]
    layers = f"{config.encoder_layers}+{config.decoder_layers}" if model == "transformer" else f"{config.layers}"

    assert summary.startswith(f"{layers} layers, {config.embed_dim}/{config.ffn_dim}/{config.attention_heads}")
    if model == "transformer":
        assert ("post-norm" in summary) is not config.pre_norm


@pytest.mark.parametrize("model", MODELS)
def test_modern_is_modern(model: str) -> None:
    """RMSNorm, rotary positions, SwiGLU and pre-norm."""
    config = config_of(model, "modern")

    assert (config.norm, config.positions, config.activation, config.pre_norm) == ("rms", "rotary", "swiglu", True)


@pytest.mark.parametrize(("model", "other"), [("transformer", "tiny"), ("transformer_classifier", "tiny")])
def test_modern_is_as_large_as_tiny(model: str, other: str) -> None:
    """To within a percent, so that a comparison is fair (positions take no weights in either, or are left out)."""
    spec = SHARED if model == "transformer" else ModelSpec(vocab_size=8000, padding=1, max_positions=1, num_classes=2)

    assert count(build(model, "modern", spec)) == pytest.approx(count(build(model, other, spec)), rel=0.01)


def test_tiny_has_the_parameters_worked_out_by_hand() -> None:
    """Each part of tiny has as many parameters as its formula says."""
    attention = 4 * (128 * 128 + 128)  # query, key, value, output
    feed_forward = (128 * 256 + 256) + (256 * 128 + 128)
    norm = 2 * 128
    encoder = 4 * (attention + feed_forward + 2 * norm) + norm
    decoder = 4 * (2 * attention + feed_forward + 3 * norm) + norm

    assert count(build("transformer", "tiny", SHARED)) == encoder + decoder + 8000 * 128 == 2_349_568


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("tiny", 2.3),
        ("modern", 2.3),
        ("small", 9.4),
        ("iwslt", 35.6),
        ("base", 48.2),
        ("big", 184.5),
        ("big-t2t", 184.6),
    ],
)
def test_every_translator_has_the_documented_number_of_parameters(name: str, millions: float) -> None:
    """The README's table of parameters is true."""
    assert round(count(build("transformer", name, SHARED)) / 1e6, 1) == millions


def test_iwslt_has_the_parameters_that_fairseq_reports() -> None:
    """On IWSLT'14 German-English, with 8,848 and 6,632 pieces and the target's table shared, fairseq has 39,469,056."""
    spec = ModelSpec(vocab_size=6632, source_vocab_size=8848, padding=1, max_positions=1024)

    assert count(build("transformer", "iwslt", spec, share_embeddings="decoder")) == 39_469_056


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("gpt2", 124_439_808), ("gpt2-medium", 354_823_168), ("gpt2-large", 774_030_080), ("gpt2-xl", 1_557_611_200)],
)
def test_gpt2_presets_have_the_parameters_of_the_released_models(name: str, parameters: int) -> None:
    """With GPT-2's 50,257 tokens and 1,024 positions."""
    spec = ModelSpec(vocab_size=50_257, padding=0, max_positions=1024)

    assert count(build("transformer_lm", name, spec)) == parameters


@pytest.mark.parametrize(("name", "parameters"), [("base", 124_696_665), ("large", 355_411_033)])
def test_roberta_presets_have_the_parameters_of_the_released_models(name: str, parameters: int) -> None:
    """With RoBERTa's 50,265 tokens and 514 positions, and the head that guesses tokens."""
    spec = ModelSpec(vocab_size=50_265, padding=1, max_positions=514)

    assert count(build("transformer_classifier", name, spec)) == parameters


def test_nano_has_the_parameters_worked_out_by_hand() -> None:
    """With 65 characters and a context of 64: four layers of 12 D^2 weights with biases and norms, and two tables."""
    layer = 12 * 128 * 128 + (4 * 128 + 512 + 128) + 2 * 2 * 128
    spec = ModelSpec(vocab_size=65, padding=0, max_positions=64)

    assert count(build("transformer_lm", "nano", spec)) == 4 * layer + 2 * 128 + (65 + 64) * 128 == 809_856
