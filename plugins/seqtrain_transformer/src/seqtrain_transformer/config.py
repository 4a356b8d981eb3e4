"""The settings of the Transformer."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import ConfigError, option


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Sizes and options of the encoder-decoder Transformer."""

    encoder_layers: int = option(6, help="layers of the encoder", unit="layers", ge=1)
    decoder_layers: int = option(6, help="layers of the decoder", unit="layers", ge=1)
    embed_dim: int = option(512, help="size of embeddings and of every layer's output", unit="units", ge=2)
    ffn_dim: int = option(2048, help="size of the feed-forward networks' hidden layer", unit="units", ge=1)
    attention_heads: int = option(8, help="attention heads; must divide embed_dim", unit="heads", ge=1)
    dropout: float = option(0.1, help="share of embeddings and sublayer outputs set to zero in training", ge=0, lt=1)
    attention_dropout: float = option(0.0, help="the same of attention weights", ge=0, lt=1)
    activation_dropout: float = option(0.0, help="the same inside the feed-forward networks", ge=0, lt=1)
    activation: str = option("relu", help="non-linearity of the feed-forward networks", choices=("relu", "gelu"))
    pre_norm: bool = option(
        True, help="normalise before each sublayer, and once at the end; otherwise after each, as in the first paper"
    )
    positions: str = option(
        "sinusoidal",
        help="position embeddings: a formula for any length, or learned",
        choices=("sinusoidal", "learned"),
    )
    share_embeddings: str = option(
        "all",
        help="one table for source, target and output (needs a shared vocabulary), for target and output, or three",
        choices=("all", "decoder", "none"),
    )

    def __post_init__(self) -> None:
        if self.embed_dim % self.attention_heads:
            raise ConfigError(
                f"attention_heads={self.attention_heads} does not divide embed_dim={self.embed_dim}: "
                "each head gets an equal part. Change one of the two."
            )
        if self.positions == "sinusoidal" and self.embed_dim % 2:
            raise ConfigError(
                f"embed_dim={self.embed_dim} is odd, but sinusoidal positions come in pairs of sine and cosine. "
                "Choose an even embed_dim, or positions=learned."
            )
