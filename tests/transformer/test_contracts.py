"""The contract of models holds for other options than the defaults, runs that are interrupted among it."""

from __future__ import annotations

from typing import ClassVar

from seqtrain_testing.contracts import ModelContract


class TestModernLanguageModel(ModelContract):
    """What the default settings leave out, all at once."""

    name = "transformer/transformer_lm"
    settings: ClassVar = {
        "layers": 2,
        "norm": "rms",
        "positions": "rotary",
        "activation": "swiglu",
        "embed_dim": 16,
        "ffn_dim": 24,
        "attention_heads": 4,
        "key_value_heads": 2,
        "dropout": 0.1,
        "attention_dropout": 0.1,
        "activation_dropout": 0.1,
        "checkpoint_activations": True,
    }
