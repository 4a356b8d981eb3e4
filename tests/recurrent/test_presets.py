"""The presets: they build, and have the sizes they claim."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from seqtrain.api import ModelSpec
from seqtrain_recurrent.config import LSTMClassifierConfig, LSTMConfig, LSTMLanguageModelConfig
from seqtrain_recurrent.lstm import LSTMEncoderDecoder
from seqtrain_recurrent.lstm_classifier import LSTMClassifier
from seqtrain_recurrent.lstm_lm import LSTMLanguageModel
from seqtrain_recurrent.plugin import seqtrain_components

MODELS: dict[str, tuple[type, type]] = {
    "lstm": (LSTMConfig, LSTMEncoderDecoder),
    "lstm_lm": (LSTMLanguageModelConfig, LSTMLanguageModel),
    "lstm_classifier": (LSTMClassifierConfig, LSTMClassifier),
}
PRESETS: dict[str, dict[str, Any]] = {
    model: yaml.safe_load((files("seqtrain_recurrent") / f"presets/{model}.yaml").read_text()) for model in MODELS
}
ALL = [(model, name) for model, presets in PRESETS.items() for name in presets]


def spec(vocab_size: int = 8000) -> ModelSpec:
    """Return what a task with one vocabulary would say."""
    return ModelSpec(
        vocab_size=vocab_size,
        source_vocab_size=vocab_size,
        shared_vocabulary=True,
        padding=1,
        num_classes=2,
        max_positions=1024,
    )


def config_of(model: str, name: str, **options: Any) -> Any:
    """Return a preset's config, with other options."""
    return MODELS[model][0](**{**PRESETS[model][name]["config"], **options})


def count(model: str, name: str, vocab_size: int = 8000, **options: Any) -> int:
    """Return a preset's number of parameters, shared ones once; without memory for its weights."""
    with torch.device("meta"):
        built: nn.Module = MODELS[model][1](config_of(model, name, **options), spec=spec(vocab_size))
    return sum(each.numel() for each in built.parameters())


def test_presets_are_the_documented_ones() -> None:
    """Small ones come first; fairseq's names are understood."""
    names = {
        model: {name: each.get("aliases", []) for name, each in presets.items()} for model, presets in PRESETS.items()
    }

    assert names == {
        "lstm": {
            "tiny": [], "base": ["lstm"], "wiseman": ["lstm_wiseman_iwslt_de_en"], "luong": ["lstm_luong_wmt_en_de"],
        },
        "lstm_lm": {"nano": [], "base": ["lstm_lm"], "awd": []},
        "lstm_classifier": {"tiny": [], "small": []},
    }  # fmt: skip


def test_the_components_name_presets_and_tasks() -> None:
    """Each record points at its presets and says what task it is for."""
    components = {each.name: each for each in seqtrain_components()}

    assert {name: each.for_tasks for name, each in components.items()} == {
        "lstm": ("translation",),
        "lstm_lm": ("lm",),
        "lstm_classifier": ("classify",),
    }
    assert all(each.presets == f"seqtrain_recurrent:presets/{name}.yaml" for name, each in components.items())


@pytest.mark.parametrize(("model", "name"), ALL)
def test_summaries_tell_the_true_sizes(model: str, name: str) -> None:
    """The sizes in a summary are those of the config, and so is the direction of reading."""
    config, summary = config_of(model, name), PRESETS[model][name]["summary"]
    layers = f"{config.layers}+{config.layers}" if model == "lstm" else f"{config.layers}"
    word = "layer" if layers == "1" else "layers"

    assert summary.startswith(f"{layers} {word}, {config.embed_dim}/{config.hidden_dim}")
    if model != "lstm_lm":
        assert ("both directions" in summary) is config.bidirectional


@pytest.mark.parametrize(("name", "parameters"), [("base", 18_333_504), ("wiseman", 7_663_424), ("luong", 95_072_000)])
def test_translators_have_fairseqs_parameters(name: str, parameters: int) -> None:
    """As fairseq builds the architectures of those names, for two vocabularies of 8,000."""
    assert parameters == count("lstm", name, share_embeddings="none")


def test_reading_both_ways_has_fairseqs_parameters() -> None:
    """As with --encoder-bidirectional."""
    assert count("lstm", "base", share_embeddings="none", bidirectional=True) == 22_008_640


def test_base_has_the_parameters_worked_out_by_hand() -> None:
    """Tables, four gates of two layers with two biases each, attention, and the output with its bias."""
    tables = 2 * 8000 * 512
    encoder = 4 * 512 * (512 + 512 + 2)
    decoder = 4 * 512 * (512 + 512 + 512 + 2)  # it reads what attention gave besides
    attention = 512 * 512 + 512 * (512 + 512)

    assert tables + encoder + decoder + attention + 8000 * 513 == count("lstm", "base", share_embeddings="none")


def test_the_language_model_has_fairseqs_parameters() -> None:
    """As fairseq builds lstm_lm for a vocabulary of 8,000."""
    assert count("lstm_lm", "base", tie_embeddings=False) == 10_301_248


def test_awd_has_the_published_parameters() -> None:
    """24 M, with the 10,000 words of Penn Treebank: three layers, one table and the output's bias."""
    layers = 4 * (1150 * (400 + 1150 + 2) + 1150 * (1150 + 1150 + 2) + 400 * (1150 + 400 + 2))

    assert layers + 10_000 * 401 == count("lstm_lm", "awd", vocab_size=10_000) == 24_221_600


@pytest.mark.parametrize("name", PRESETS["lstm_classifier"])
def test_classifiers_are_built(name: str) -> None:
    """With two classes."""
    assert count("lstm_classifier", name) > 1_000_000


@pytest.mark.runs
def test_config_and_plugin_import_no_torch() -> None:
    """Help and config errors need the config module, and must not wait for torch."""
    code = (
        "import sys, seqtrain_recurrent.plugin, seqtrain_recurrent.config\n"
        "print(sorted({'torch', 'numpy', 'omegaconf'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert shown.strip() == "[]"
