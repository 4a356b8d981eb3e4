"""The settings of the Transformer, and what they refuse."""

from __future__ import annotations

import subprocess
import sys

import pytest

from seqtrain.errors import ConfigError
from seqtrain_transformer.config import TransformerClassifierConfig, TransformerConfig, TransformerLMConfig


def test_heads_must_divide_the_model_size() -> None:
    """A model size that heads cannot share equally is refused, with both numbers."""
    with pytest.raises(ConfigError, match=r"attention_heads=3 .*embed_dim=128"):
        TransformerConfig(embed_dim=128, attention_heads=3)


def test_sinusoidal_positions_need_an_even_model_size() -> None:
    """Sine and cosine come in pairs; the message names the way out."""
    with pytest.raises(ConfigError, match=r"embed_dim=5 is odd.*positions=learned"):
        TransformerConfig(embed_dim=5, attention_heads=1)


def test_learned_positions_take_an_odd_model_size() -> None:
    """Learned positions have no pairs."""
    assert TransformerConfig(embed_dim=5, attention_heads=1, positions="learned").embed_dim == 5


def test_key_heads_must_divide_the_heads() -> None:
    """Heads of keys and values are read by equally many heads each."""
    with pytest.raises(ConfigError, match=r"key_value_heads=3 .*attention_heads=8"):
        TransformerConfig(key_value_heads=3)
    with pytest.raises(ConfigError, match=r"key_value_heads=16 .*attention_heads=8"):
        TransformerConfig(key_value_heads=16)


def test_rotary_positions_need_heads_of_even_size() -> None:
    """Pairs of units are rotated; the message says where the odd size comes from."""
    with pytest.raises(ConfigError, match=r"embed_dim=12 / attention_heads=4 gives heads of 3"):
        TransformerLMConfig(embed_dim=12, attention_heads=4, positions="rotary")


@pytest.mark.parametrize("config", [TransformerLMConfig, TransformerClassifierConfig])
def test_learned_positions_cannot_be_extended(config: type) -> None:
    """There is nothing to go on with; the message names what there is."""
    with pytest.raises(ConfigError, match=r"extend_positions=true, but positions=learned.*rotary or sinusoidal"):
        config(extend_positions=True, positions="learned")


def test_a_translator_goes_on_beyond_the_longest_by_default() -> None:
    """As ever; the others want to be asked. Learned positions end where they end, which is no reason to complain."""
    assert TransformerConfig(positions="learned").extend_positions
    assert not TransformerLMConfig().extend_positions
    assert not TransformerClassifierConfig().extend_positions


@pytest.mark.runs
def test_config_and_plugin_import_no_torch() -> None:
    """Help and config errors need the config module, and must not wait for torch."""
    code = (
        "import sys, seqtrain_transformer.plugin, seqtrain_transformer.config\n"
        "print(sorted({'torch', 'numpy', 'omegaconf'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert shown.strip() == "[]"
