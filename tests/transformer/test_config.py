"""The settings of the Transformer, and what they refuse."""

from __future__ import annotations

import subprocess
import sys

import pytest

from seqtrain.errors import ConfigError
from seqtrain_transformer.config import TransformerConfig


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


def test_config_and_plugin_import_no_torch() -> None:
    """Help and config errors need the config module, and must not wait for torch."""
    code = (
        "import sys, seqtrain_transformer.plugin, seqtrain_transformer.config\n"
        "print(sorted({'torch', 'numpy', 'omegaconf'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert shown.strip() == "[]"
