"""The contract of models holds for other options than those that every component is tried with."""

from __future__ import annotations

from typing import ClassVar

from seqtrain_testing.contracts import ModelContract


class TestDeepEncoderDecoder(ModelContract):
    """Several layers, read in one direction, tables apart, and a decoder of another size than its embeddings."""

    name = "recurrent/lstm"
    settings: ClassVar = {
        "layers": 2,
        "embed_dim": 12,
        "hidden_dim": 16,
        "bidirectional": False,
        "dropout": 0.2,
        "encoder_dropout_out": 0.0,
        "share_embeddings": "none",
    }


class TestWeightDroppedLanguageModel(ModelContract):
    """All ways of dropping at once."""

    name = "recurrent/lstm_lm"
    settings: ClassVar = {
        "layers": 3,
        "embed_dim": 12,
        "hidden_dim": 16,
        "dropout": 0.2,
        "locked_dropout": True,
        "embedding_dropout": 0.1,
        "weight_dropout": 0.5,
    }


class TestDeepClassifier(ModelContract):
    """Two layers; what was read last counts."""

    name = "recurrent/lstm_classifier"
    settings: ClassVar = {"layers": 2, "embed_dim": 12, "hidden_dim": 16, "pooling": "last"}


class TestMeanClassifier(ModelContract):
    """One direction; the mean counts."""

    name = "recurrent/lstm_classifier"
    settings: ClassVar = {"embed_dim": 12, "hidden_dim": 16, "bidirectional": False, "pooling": "mean"}
