"""The settings of the convolutional models; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seqtrain.plugin import ConfigError, option
from seqtrain_conv.layer_sizes import read_layers


def _layers(default: str, whose: str) -> Any:
    return option(default, help=f"layers of {whose}, CHANNELSxWIDTH*TIMES and so on, as in 512x3*9 1024x3*4")


def _share_embeddings() -> Any:
    return option(
        "all",
        help="one table for source, target and output (needs a shared vocabulary), for target and output, or three",
        choices=("all", "decoder", "none"),
    )


@dataclass(frozen=True, kw_only=True)
class FConvConfig:
    """Sizes and options of the encoder-decoder with gated convolutions."""

    embed_dim: int = option(512, help="size of embeddings", unit="units", ge=1)
    out_embed_dim: int | None = option(
        None, help="size of what the output is made from; null: embed_dim", unit="units", ge=1
    )
    encoder_layers: str = _layers("512x3*20", "the encoder")
    decoder_layers: str = _layers("512x3*20", "the decoder")
    dropout: float = option(0.1, help="share of embeddings and layers' inputs set to zero in training", ge=0, lt=1)
    share_embeddings: str = _share_embeddings()

    def __post_init__(self) -> None:
        for key, layers in (("encoder_layers", self.encoder_layers), ("decoder_layers", self.decoder_layers)):
            read_layers(layers, key)
        if self.share_embeddings != "none" and self.out_embed_dim not in (None, self.embed_dim):
            raise ConfigError(
                f"share_embeddings={self.share_embeddings} makes the output from the embeddings, but "
                f"out_embed_dim={self.out_embed_dim} is not their size, {self.embed_dim}. "
                "Leave it null, or set share_embeddings=none."
            )


@dataclass(frozen=True, kw_only=True)
class FConvLanguageModelConfig:
    """Sizes and options of the language model with gated convolutions."""

    embed_dim: int = option(128, help="size of embeddings", unit="units", ge=1)
    layers: str = option(
        "1268x4*13",
        help="layers, CHANNELSxWIDTH*TIMES and so on; those joined by + share a residual connection: 64x1+64x5+512x1*3",
    )
    dropout: float = option(0.1, help="share of embeddings and layers' inputs set to zero in training", ge=0, lt=1)
    tie_embeddings: bool = option(True, help="one table for input and output, instead of two")
    adaptive_softmax: tuple[int, ...] | None = option(
        None,
        help="split the vocabulary after so many of its first entries, and spend less on the later ones; null: do not",
        unit="tokens",
    )

    def __post_init__(self) -> None:
        channels = read_layers(self.layers, "layers")[-1][-1].channels
        if self.adaptive_softmax is None:
            return
        cutoffs = self.adaptive_softmax
        if not cutoffs or list(cutoffs) != sorted(set(cutoffs)) or cutoffs[0] < 1:
            raise ConfigError(
                f"adaptive_softmax={list(cutoffs)} does not rise from above 0. Write it like [10000, 20000, 200000]."
            )
        if channels < 4 ** len(cutoffs):
            raise ConfigError(
                f"adaptive_softmax={list(cutoffs)} makes vectors {4 ** len(cutoffs)} times smaller for the last "
                f"entries, but the last layer has {channels} channels. Give it more, or split less often."
            )
        if self.tie_embeddings:
            raise ConfigError(
                "adaptive_softmax has no table to share with the input. Set tie_embeddings=false with it."
            )


@dataclass(frozen=True, kw_only=True)
class LightConvConfig:
    """Sizes and options of the encoder-decoders with lightweight or dynamic convolutions."""

    embed_dim: int = option(512, help="size of embeddings and of every layer's output", unit="units", ge=2)
    ffn_dim: int = option(2048, help="size of the feed-forward networks' hidden layer", unit="units", ge=1)
    attention_heads: int = option(
        8, help="heads of attention, and filters of a convolution; must divide embed_dim", unit="heads", ge=1
    )
    encoder_widths: tuple[int, ...] = option(
        (3, 7, 15, 31, 31, 31, 31), help="positions that the encoder's layers see at once, one number a layer"
    )
    decoder_widths: tuple[int, ...] = option((3, 7, 15, 31, 31, 31), help="the same of the decoder's layers")
    glu: bool = option(True, help="gate what goes into a convolution")
    dropout: float = option(0.1, help="share of embeddings and sublayer outputs set to zero in training", ge=0, lt=1)
    input_dropout: float = option(0.1, help="the same of what goes into a convolution's sublayer", ge=0, lt=1)
    weight_dropout: float = option(0.0, help="the same of a convolution's normalised weights", ge=0, lt=1)
    attention_dropout: float = option(0.0, help="the same of attention weights", ge=0, lt=1)
    activation_dropout: float = option(0.0, help="the same inside the feed-forward networks", ge=0, lt=1)
    pre_norm: bool = option(
        False, help="normalise before each sublayer, and once at the end; otherwise after each, as in the paper"
    )
    share_embeddings: str = _share_embeddings()

    def __post_init__(self) -> None:
        if self.embed_dim % self.attention_heads:
            raise ConfigError(
                f"attention_heads={self.attention_heads} does not divide embed_dim={self.embed_dim}: "
                "each head gets an equal part. Change one of the two."
            )
        if self.embed_dim % 2:
            raise ConfigError(
                f"embed_dim={self.embed_dim} is odd, but positions come in pairs of sine and cosine. "
                "Choose an even one."
            )
        _refuse_bad_widths(encoder_widths=self.encoder_widths, decoder_widths=self.decoder_widths)


@dataclass(frozen=True, kw_only=True)
class CNNClassifierConfig:
    """Sizes and options of the classifier."""

    embed_dim: int = option(300, help="size of embeddings", unit="units", ge=1)
    widths: tuple[int, ...] = option((3, 4, 5), help="tokens that a filter sees at once, for each kind of filter")
    channels: int = option(100, help="filters of each width", ge=1)
    embedding_dropout: float = option(0.0, help="share of embeddings' units set to zero in training", ge=0, lt=1)
    dropout: float = option(0.5, help="share of the maxima set to zero in training", ge=0, lt=1)

    def __post_init__(self) -> None:
        _refuse_bad_widths(widths=self.widths)


def _refuse_bad_widths(**settings: tuple[int, ...]) -> None:
    for key, widths in settings.items():
        if not widths or min(widths) < 1:
            raise ConfigError(f"{key}={list(widths)}: give one width or more, of at least 1 each, such as [3, 4, 5].")
