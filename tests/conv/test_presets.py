"""The presets: they build, and have the sizes they claim."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from seqtrain.api import ModelSpec
from seqtrain_conv.cnn_classifier import CNNClassifier
from seqtrain_conv.config import CNNClassifierConfig, FConvConfig, FConvLanguageModelConfig, LightConvConfig
from seqtrain_conv.fconv import ConvolutionalEncoderDecoder
from seqtrain_conv.fconv_lm import fconv_lm
from seqtrain_conv.layer_sizes import read_layers
from seqtrain_conv.lightconv import dynamicconv, lightconv
from seqtrain_conv.plugin import seqtrain_components

MODELS: dict[str, tuple[type, Any]] = {
    "fconv": (FConvConfig, ConvolutionalEncoderDecoder),
    "fconv_lm": (FConvLanguageModelConfig, fconv_lm),
    "lightconv": (LightConvConfig, lightconv),
    "dynamicconv": (LightConvConfig, dynamicconv),
    "cnn_classifier": (CNNClassifierConfig, CNNClassifier),
}
FILES = {"dynamicconv": "lightconv"}
PRESETS: dict[str, dict[str, Any]] = {
    model: yaml.safe_load((files("seqtrain_conv") / f"presets/{FILES.get(model, model)}.yaml").read_text())
    for model in MODELS
}


def config_of(model: str, name: str, **options: Any) -> Any:
    """Return a preset's config, with other options."""
    return MODELS[model][0](**{**PRESETS[model][name]["config"], **options})


def count(model: str, name: str, vocab_size: int = 8000, **options: Any) -> int:
    """Return a preset's number of parameters, shared ones once; without memory for its weights."""
    spec = ModelSpec(
        vocab_size=vocab_size,
        source_vocab_size=vocab_size,
        shared_vocabulary=True,
        padding=1,
        num_classes=2,
        max_positions=1024,
    )
    with torch.device("meta"):
        built: nn.Module = MODELS[model][1](config_of(model, name, **options), spec=spec)
    return sum(each.numel() for each in built.parameters())


def test_presets_are_the_documented_ones() -> None:
    """Small ones come first; fairseq's names are understood."""
    names = {
        model: {name: each.get("aliases", []) for name, each in presets.items()} for model, presets in PRESETS.items()
    }
    light = {
        "tiny": [],
        "iwslt": ["lightconv_iwslt_de_en"],
        "base": ["lightconv", "lightconv_wmt_en_de"],
        "big": ["lightconv_wmt_en_de_big"],
        "big-en-fr": ["lightconv_wmt_en_fr_big"],
        "big-zh-en": ["lightconv_wmt_zh_en_big"],
    }

    assert names == {
        "fconv": {
            "tiny": [],
            "iwslt": ["fconv_iwslt_de_en"],
            "base": ["fconv"],
            "wmt-en-ro": ["fconv_wmt_en_ro"],
            "wmt-en-de": ["fconv_wmt_en_de"],
            "wmt-en-fr": ["fconv_wmt_en_fr"],
        },
        "fconv_lm": {
            "nano": [],
            "base": ["fconv_lm"],
            "wikitext103": ["fconv_lm_dauphin_wikitext103"],
            "gbw": ["fconv_lm_dauphin_gbw"],
        },
        "lightconv": light,
        "dynamicconv": light,
        "cnn_classifier": {"tiny": [], "kim": []},
    }


def test_the_components_name_presets_and_tasks() -> None:
    """Each record points at its presets and says what task it is for."""
    components = {each.name: each for each in seqtrain_components()}

    assert {name: each.for_tasks for name, each in components.items()} == {
        "fconv": ("translation",),
        "fconv_lm": ("lm",),
        "lightconv": ("translation",),
        "dynamicconv": ("translation",),
        "cnn_classifier": ("classify",),
    }
    for name, each in components.items():
        assert each.presets == f"seqtrain_conv:presets/{FILES.get(name, name)}.yaml"


@pytest.mark.parametrize("name", PRESETS["fconv"])
def test_fconv_summaries_tell_the_true_sizes(name: str) -> None:
    """Layers on both sides, the first and last of them, and the size of embeddings."""
    config, summary = config_of("fconv", name), PRESETS["fconv"][name]["summary"]
    encoder, decoder = (read_layers(each, "layers") for each in (config.encoder_layers, config.decoder_layers))
    first, last = ("{}x{}".format(*each[0]) for each in (encoder[0], encoder[-1]))
    kinds = first if first == last else f"{first} to {last}"

    assert summary.startswith(f"{len(encoder)}+{len(decoder)} layers of {kinds}, {config.embed_dim};")


@pytest.mark.parametrize("name", PRESETS["fconv_lm"])
def test_fconv_lm_summaries_tell_the_true_sizes(name: str) -> None:
    """All layers, the smallest and largest of them by name, and the size of embeddings."""
    config, summary = config_of("fconv_lm", name), PRESETS["fconv_lm"][name]["summary"]
    layers = [layer for block in read_layers(config.layers, "layers") for layer in block]

    assert summary.startswith(f"{len(layers)} layers of ")
    assert f", {config.embed_dim};" in summary
    assert "{}x{}".format(*layers[-1]) in summary


@pytest.mark.parametrize("name", PRESETS["lightconv"])
def test_light_summaries_tell_the_true_sizes(name: str) -> None:
    """Layers, widths of vectors and heads; the order of norms and gates where they are not the usual."""
    config, summary = config_of("lightconv", name), PRESETS["lightconv"][name]["summary"]
    layers = f"{len(config.encoder_widths)}+{len(config.decoder_widths)} layers"

    assert summary.startswith(f"{layers}, {config.embed_dim}/{config.ffn_dim}/{config.attention_heads}")
    assert ("pre-norm" in summary) is config.pre_norm
    assert ("without gates" in summary) is not config.glu


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("base", 85_748_864),
        ("iwslt", 10_104_448),
        ("wmt-en-ro", 87_928_448),
        ("wmt-en-de", 143_969_920),
        ("wmt-en-fr", 192_511_616),
    ],
)
def test_fconv_has_fairseqs_parameters(name: str, parameters: int) -> None:
    """As fairseq builds the architectures of those names, for two vocabularies of 8,000 and 1,024 positions."""
    assert parameters == count("fconv", name, share_embeddings="none")


def test_iwslt_has_the_parameters_worked_out_by_hand() -> None:
    """Tables, two linear layers and four gated convolutions; three with attention; and the output. A gain a channel."""
    linear = 256 * 256 + 256 + 256
    convolution = 512 * 256 * 3 + 512 + 512
    encoder = 2 * linear + 4 * convolution
    decoder = 2 * linear + 3 * (convolution + 2 * linear)
    tables = 2 * (8000 + 1024) * 256

    assert tables + encoder + decoder + 8000 * (256 + 2) == count("fconv", "iwslt", share_embeddings="none")


@pytest.mark.parametrize(
    ("name", "vocab_size", "parameters"),
    [("base", 8000, 169_671_032), ("wikitext103", 267_744, 229_305_428), ("gbw", 793_302, 428_349_568)],
)
def test_fconv_lm_has_fairseqs_parameters(name: str, vocab_size: int, parameters: int) -> None:
    """As fairseq builds the architectures of those names, with the criterion adaptive_loss for the two last."""
    assert parameters == count("fconv_lm", name, vocab_size)


@pytest.mark.parametrize(
    ("model", "name", "parameters"),
    [
        ("lightconv", "base", 56_166_488),
        ("dynamicconv", "base", 57_257_984),
        ("lightconv", "iwslt", 39_106_092),
        ("dynamicconv", "iwslt", 39_651_840),
        ("lightconv", "big", 199_889_072),
        ("dynamicconv", "big", 204_259_328),
    ],
)
def test_light_models_have_fairseqs_parameters(model: str, name: str, parameters: int) -> None:
    """As fairseq builds the architectures of those names, for two vocabularies of 8,000; see the comment on biases."""
    # fairseq's dynamic convolutions have a bias each (embed_dim numbers) that nothing reads; those are not counted.
    assert parameters == count(model, name, share_embeddings="none")


def test_kim_has_the_parameters_worked_out_by_hand() -> None:
    """A table, 100 filters of each width, and one layer."""
    assert count("cnn_classifier", "kim") == 8000 * 300 + 100 * (300 * (3 + 4 + 5) + 3) + 2 * 301
