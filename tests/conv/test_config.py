"""The settings of the convolutional models, and what they refuse."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from seqtrain.errors import ConfigError
from seqtrain_conv.config import CNNClassifierConfig, FConvConfig, FConvLanguageModelConfig, LightConvConfig


@pytest.mark.parametrize("key", ["encoder_layers", "decoder_layers"])
def test_bad_layers_are_refused(key: str) -> None:
    """Where the config is made, not where the model is."""
    with pytest.raises(ConfigError, match=f"{key}: 'big' is not CHANNELSxWIDTH"):
        FConvConfig(**{key: "big"})


def test_an_output_of_another_size_needs_a_table_of_its_own() -> None:
    """The message gives both sizes and both ways out."""
    with pytest.raises(ConfigError, match=r"out_embed_dim=256 is not their size, 512.*share_embeddings=none"):
        FConvConfig(out_embed_dim=256)

    assert FConvConfig(out_embed_dim=512).share_embeddings == "all"
    assert FConvConfig(out_embed_dim=256, share_embeddings="none").out_embed_dim == 256


def test_a_language_models_layers_are_checked() -> None:
    """As the translator's."""
    with pytest.raises(ConfigError, match="layers: '8' is not CHANNELSxWIDTH"):
        FConvLanguageModelConfig(layers="8")


@pytest.mark.parametrize("cutoffs", [(), (0, 5), (5, 5), (9, 5)])
def test_cutoffs_must_rise(cutoffs: tuple[int, ...]) -> None:
    """The message shows them and how they should look."""
    with pytest.raises(ConfigError, match=r"adaptive_softmax=\[.*does not rise.*10000, 20000, 200000"):
        FConvLanguageModelConfig(adaptive_softmax=cutoffs, tie_embeddings=False)


def test_each_split_needs_channels() -> None:
    """Four times as many as the one before."""
    with pytest.raises(ConfigError, match=r"16 times smaller.*has 15 channels"):
        FConvLanguageModelConfig(layers="64x3 15x3", adaptive_softmax=(10, 20), tie_embeddings=False)

    assert FConvLanguageModelConfig(layers="16x3", adaptive_softmax=(10, 20), tie_embeddings=False)


def test_an_adaptive_softmax_shares_no_table() -> None:
    """It has several matrices, of several sizes."""
    with pytest.raises(ConfigError, match="tie_embeddings=false"):
        FConvLanguageModelConfig(adaptive_softmax=(10,))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embed_dim": 512, "attention_heads": 3}, r"attention_heads=3 does not divide embed_dim=512"),
        ({"embed_dim": 15, "attention_heads": 3}, r"embed_dim=15 is odd"),
        ({"encoder_widths": ()}, r"encoder_widths=\[\]: give one width or more"),
        ({"decoder_widths": (3, 0)}, r"decoder_widths=\[3, 0\].*at least 1"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    """Each message says which, and what would do."""
    with pytest.raises(ConfigError, match=message):
        LightConvConfig(**options)


def test_a_classifier_needs_filters() -> None:
    """Of some width."""
    with pytest.raises(ConfigError, match=r"widths=\[\]: give one width or more"):
        CNNClassifierConfig(widths=())


@pytest.mark.runs
def test_config_and_plugin_import_no_torch() -> None:
    """Help and config errors need the config module, and must not wait for torch."""
    code = (
        "import sys, seqtrain_conv.plugin, seqtrain_conv.config\n"
        "print(sorted({'torch', 'numpy', 'omegaconf'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert shown.strip() == "[]"
