"""The settings of the three LSTMs; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seqtrain.plugin import option


def _dropout(what: str) -> Any:
    return option(None, help=f"the same of {what}; null: as dropout", ge=0, lt=1)


@dataclass(frozen=True, kw_only=True)
class LSTMConfig:
    """Sizes and options of the encoder-decoder."""

    embed_dim: int = option(512, help="size of embeddings", unit="units", ge=1)
    hidden_dim: int = option(
        512, help="size of a layer's state, and of the state of each direction in which the source is read",
        unit="units", ge=1,
    )  # fmt: skip
    layers: int = option(
        1, help="layers of the encoder; as many of the decoder, which start where those end", unit="layers", ge=1
    )
    bidirectional: bool = option(True, help="read the source backwards too")
    dropout: float = option(0.1, help="share of units set to zero in training", ge=0, lt=1)
    encoder_dropout_in: float | None = _dropout("the source's embeddings")
    encoder_dropout_out: float | None = _dropout("the encoder's layers")
    decoder_dropout_in: float | None = _dropout("the target's embeddings")
    decoder_dropout_out: float | None = _dropout("the decoder's layers")
    share_embeddings: str = option(
        "all",
        help="one table for source, target and output (needs a shared vocabulary), for target and output, or three",
        choices=("all", "decoder", "none"),
    )


@dataclass(frozen=True, kw_only=True)
class LSTMLanguageModelConfig:
    """Sizes and options of the language model."""

    embed_dim: int = option(512, help="size of embeddings", unit="units", ge=1)
    hidden_dim: int = option(
        512, help="size of a layer's state; with tie_embeddings, the last layer's is embed_dim", unit="units", ge=1
    )
    layers: int = option(1, help="layers", unit="layers", ge=1)
    tie_embeddings: bool = option(True, help="one table for input and output, instead of two")
    dropout: float = option(0.1, help="share of units set to zero in training", ge=0, lt=1)
    dropout_in: float | None = _dropout("embeddings")
    dropout_between: float | None = _dropout("what one layer hands to the next")
    dropout_out: float | None = _dropout("the last layer")
    locked_dropout: bool = option(False, help="leave out the same units at all positions of a sequence")
    embedding_dropout: float = option(0.0, help="share of the vocabulary that a batch has no embeddings of", ge=0, lt=1)
    weight_dropout: float = option(
        0.0, help="share of the weights from state to state that a batch does without", ge=0, lt=1
    )


@dataclass(frozen=True, kw_only=True)
class LSTMClassifierConfig:
    """Sizes and options of the classifier."""

    embed_dim: int = option(128, help="size of embeddings", unit="units", ge=1)
    hidden_dim: int = option(128, help="size of a layer's state in each direction", unit="units", ge=1)
    layers: int = option(1, help="layers", unit="layers", ge=1)
    bidirectional: bool = option(True, help="read the text backwards too")
    pooling: str = option(
        "max",
        help="what stands for a text: each unit's maximum over its tokens, or mean, or the state it is read with last",
        choices=("max", "mean", "last"),
    )
    dropout: float = option(
        0.5, help="share of embeddings, layers' outputs and the text's vector set to zero in training", ge=0, lt=1
    )
