"""The presets: they build, and have the sizes they claim."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
import torch
import yaml

from seqtrain.protocols import ModelSpec
from seqtrain_transformer.config import TransformerConfig
from seqtrain_transformer.plugin import seqtrain_components
from seqtrain_transformer.transformer import Transformer

PRESETS: dict[str, Any] = yaml.safe_load((files("seqtrain_transformer") / "presets/transformer.yaml").read_text())
SPEC = ModelSpec(vocab_size=8000, source_vocab_size=8000, shared_vocabulary=True, padding=1, max_positions=1024)


def build(name: str) -> Transformer:
    """Return the model of a preset, without memory for its weights."""
    with torch.device("meta"):
        return Transformer(TransformerConfig(**PRESETS[name]["config"]), spec=SPEC)


def test_presets_are_the_documented_ones() -> None:
    """Sizes go from tiny to big."""
    assert list(PRESETS) == ["tiny", "small", "iwslt", "base", "big"]


def test_the_component_names_the_presets_and_a_summary() -> None:
    """The record points at the presets and fits on a line."""
    (component,) = seqtrain_components()

    assert component.presets == "seqtrain_transformer:presets/transformer.yaml"
    assert (component.kind, component.name, component.for_tasks) == ("model", "transformer", ("translation",))
    assert 0 < len(component.summary) <= 72


@pytest.mark.parametrize("name", PRESETS)
def test_summaries_tell_the_true_sizes(name: str) -> None:
    """The sizes in a summary are those of the config."""
    config = TransformerConfig(**PRESETS[name]["config"])
    sizes = f"{config.embed_dim}/{config.ffn_dim}/{config.attention_heads}"

    assert PRESETS[name]["summary"].startswith(f"{config.encoder_layers}+{config.decoder_layers} layers, {sizes}")
    assert ("post-norm" in PRESETS[name]["summary"]) is not config.pre_norm


def test_tiny_has_the_parameters_worked_out_by_hand() -> None:
    """Each part of tiny has as many parameters as its formula says."""
    attention = 4 * (128 * 128 + 128)  # query, key, value, output
    feed_forward = (128 * 256 + 256) + (256 * 128 + 128)
    norm = 2 * 128
    encoder = 4 * (attention + feed_forward + 2 * norm) + norm
    decoder = 4 * (2 * attention + feed_forward + 3 * norm) + norm

    assert sum(each.numel() for each in build("tiny").parameters()) == encoder + decoder + 8000 * 128 == 2_349_568


@pytest.mark.parametrize(
    ("name", "millions"), [("tiny", 2.3), ("small", 9.4), ("iwslt", 35.6), ("base", 48.2), ("big", 184.5)]
)
def test_every_preset_builds_with_the_documented_number_of_parameters(name: str, millions: float) -> None:
    """The README's table of parameters is true."""
    assert round(sum(each.numel() for each in build(name).parameters()) / 1e6, 1) == millions
