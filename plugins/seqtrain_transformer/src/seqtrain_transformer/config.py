"""The settings of the three Transformers; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seqtrain.plugin import ConfigError, option


def _activation(default: str) -> Any:
    return option(
        default, help="non-linearity of the feed-forward networks; swiglu: gated", choices=("relu", "gelu", "swiglu")
    )


def _positions(default: str) -> Any:
    return option(
        default,
        help="how positions are told apart: added vectors, by formula or learned; heads that are rotated; not at all",
        choices=("sinusoidal", "learned", "rotary", "none"),
    )


def _extend_positions(default: bool) -> Any:
    return option(
        default, help="take sequences longer than the task's longest, unless positions are learned", may_change=True
    )


@dataclass(frozen=True, kw_only=True)
class LayerConfig:
    """What layers are made of, whatever model they are in."""

    embed_dim: int = option(512, help="size of embeddings and of every layer's output", unit="units", ge=2)
    ffn_dim: int = option(
        2048, help="size of the feed-forward networks' hidden layer; swiglu has 3 matrices of it, others 2",
        unit="units", ge=1,
    )  # fmt: skip
    attention_heads: int = option(8, help="attention heads; must divide embed_dim", unit="heads", ge=1)
    key_value_heads: int | None = option(
        None, help="heads of keys and values, each read by several heads; must divide attention_heads; null: as many",
        unit="heads", ge=1,
    )  # fmt: skip
    dropout: float = option(0.1, help="share of embeddings and sublayer outputs set to zero in training", ge=0, lt=1)
    attention_dropout: float = option(0.0, help="the same of attention weights", ge=0, lt=1)
    activation_dropout: float = option(0.0, help="the same inside the feed-forward networks", ge=0, lt=1)
    layer_drop: float = option(0.0, help="probability that training leaves a layer out of a batch", ge=0, lt=1)
    activation: str = _activation("relu")
    norm: str = option("layer", help="LayerNorm or RMSNorm", choices=("layer", "rms"))
    pre_norm: bool = option(
        True, help="normalise before each sublayer, and once at the end; otherwise after each, as in the first paper"
    )
    positions: str = _positions("sinusoidal")
    extend_positions: bool = _extend_positions(False)
    checkpoint_activations: bool = option(
        False, help="keep only each layer's input for the backward pass: less memory, a third more time",
        may_change=True,
    )  # fmt: skip

    def __post_init__(self) -> None:
        if self.embed_dim % self.attention_heads:
            raise ConfigError(
                f"attention_heads={self.attention_heads} does not divide embed_dim={self.embed_dim}: "
                "each head gets an equal part. Change one of the two."
            )
        if self.attention_heads % (self.key_value_heads or 1):
            raise ConfigError(
                f"key_value_heads={self.key_value_heads} does not divide attention_heads={self.attention_heads}: "
                "each is read by equally many. Change one of the two."
            )
        if self.positions == "sinusoidal" and self.embed_dim % 2:
            raise ConfigError(
                f"embed_dim={self.embed_dim} is odd, but sinusoidal positions come in pairs of sine and cosine. "
                "Choose an even embed_dim, or positions=learned."
            )
        if self.positions == "rotary" and self.head_dim % 2:
            raise ConfigError(
                f"embed_dim={self.embed_dim} / attention_heads={self.attention_heads} gives heads of {self.head_dim}, "
                "but rotary positions rotate pairs of units. Choose heads of even size, or other positions."
            )

    @property
    def head_dim(self) -> int:
        """K, the size of one head."""
        return self.embed_dim // self.attention_heads


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(LayerConfig):
    """Sizes and options of the encoder-decoder Transformer."""

    encoder_layers: int = option(6, help="layers of the encoder", unit="layers", ge=1)
    decoder_layers: int = option(6, help="layers of the decoder", unit="layers", ge=1)
    extend_positions: bool = _extend_positions(True)
    share_embeddings: str = option(
        "all",
        help="one table for source, target and output (needs a shared vocabulary), for target and output, or three",
        choices=("all", "decoder", "none"),
    )


@dataclass(frozen=True, kw_only=True)
class TransformerLMConfig(LayerConfig):
    """Sizes and options of the language model."""

    layers: int = option(6, help="layers", unit="layers", ge=1)
    activation: str = _activation("gelu")
    positions: str = _positions("learned")
    tie_embeddings: bool = option(True, help="one table for input and output, instead of two")
    adaptive_softmax: tuple[int, ...] | None = option(
        None,
        help="split the vocabulary after so many of its first entries, and spend less on the later ones; null: do not",
        unit="tokens",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _refuse_more_learned_positions(self)
        if self.adaptive_softmax is not None:
            self._check_adaptive_softmax(list(self.adaptive_softmax))

    def _check_adaptive_softmax(self, cutoffs: list[int]) -> None:
        if not cutoffs or cutoffs != sorted(set(cutoffs)) or cutoffs[0] < 1:
            raise ConfigError(
                f"adaptive_softmax={cutoffs} does not rise from above 0. Write it like [10000, 20000, 200000]."
            )
        if self.embed_dim < 4 ** len(cutoffs):
            raise ConfigError(
                f"adaptive_softmax={cutoffs} makes vectors {4 ** len(cutoffs)} times smaller for the last entries, but "
                f"embed_dim={self.embed_dim}. Make it larger, or split less often."
            )
        if self.tie_embeddings:
            raise ConfigError(
                "adaptive_softmax has no table to share with the input. Set tie_embeddings=false with it."
            )


@dataclass(frozen=True, kw_only=True)
class TransformerClassifierConfig(LayerConfig):
    """Sizes and options of the encoder that labels texts, or fills in masked tokens."""

    layers: int = option(6, help="layers", unit="layers", ge=1)
    activation: str = _activation("gelu")
    positions: str = _positions("learned")
    pooling: str = option(
        "mean", help="what stands for a text: the mean of its tokens' vectors, or the first", choices=("mean", "first")
    )
    head_dropout: float = option(0.1, help="share of that vector set to zero in training, twice", ge=0, lt=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        _refuse_more_learned_positions(self)


def _refuse_more_learned_positions(config: LayerConfig) -> None:
    if config.extend_positions and config.positions == "learned":
        raise ConfigError(
            "extend_positions=true, but positions=learned: nothing has been learned of positions beyond the longest. "
            "Train with positions=rotary or sinusoidal, or leave extend_positions false."
        )
