"""The contract of models holds for other options than those that every component is tried with."""

from __future__ import annotations

from typing import ClassVar

from seqtrain_testing.contracts import ModelContract


class TestUnevenFConv(ModelContract):
    """Even and odd widths, channels that change, several convolutions in one residual connection, tables apart."""

    name = "conv/fconv"
    settings: ClassVar = {
        "embed_dim": 12,
        "out_embed_dim": 10,
        "encoder_layers": "16x3 8x1+8x4+16x1*2",
        "decoder_layers": "16x2 8x1+8x5+16x1",
        "dropout": 0.2,
        "share_embeddings": "none",
    }


class TestBottleneckedLanguageModel(ModelContract):
    """Several convolutions in one residual connection, an output of its own."""

    name = "conv/fconv_lm"
    settings: ClassVar = {
        "embed_dim": 12,
        "layers": "16x5 8x1+8x3+16x1*2 20x1",
        "dropout": 0.2,
        "tie_embeddings": False,
    }


class TestAdaptiveLanguageModel(ModelContract):
    """With an adaptive softmax."""

    name = "conv/fconv_lm"
    settings: ClassVar = {"embed_dim": 12, "layers": "16x4*2", "tie_embeddings": False, "adaptive_softmax": [8, 16]}


class TestPreNormLightConv(ModelContract):
    """Even widths, wider than a text, no gates, norms first, tables apart."""

    name = "conv/lightconv"
    settings: ClassVar = {
        "embed_dim": 16,
        "ffn_dim": 24,
        "attention_heads": 4,
        "encoder_widths": [2, 31],
        "decoder_widths": [4, 31],
        "glu": False,
        "weight_dropout": 0.1,
        "attention_dropout": 0.1,
        "activation_dropout": 0.1,
        "pre_norm": True,
        "share_embeddings": "none",
    }


class TestPreNormDynamicConv(ModelContract):
    """The same with dynamic filters."""

    name = "conv/dynamicconv"
    settings: ClassVar = TestPreNormLightConv.settings


class TestWideCNN(ModelContract):
    """A filter wider than any text, and one that sees one token."""

    name = "conv/cnn_classifier"
    settings: ClassVar = {"embed_dim": 12, "channels": 6, "widths": [1, 2, 12], "embedding_dropout": 0.1}
