"""The settings of the components; imports no torch, so that help and errors come at once."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import Every, option


@dataclass(frozen=True, kw_only=True)
class RNNConfig:
    """Sizes of the recurrent model."""

    hidden: int = option(128, help="size of embeddings and of hidden states; even", unit="units", ge=2)
    layers: int = option(1, help="depth of the encoder, and of the decoder", unit="layers", ge=1)
    dropout: float = option(0.1, help="share of embeddings and features set to zero in training", ge=0, lt=1)

    def __post_init__(self) -> None:
        if self.hidden % 2:
            raise ValueError(
                f"hidden={self.hidden} is odd, and each direction of the encoder has half of it. Choose an even number."
            )


@dataclass(frozen=True, kw_only=True)
class FocalConfig:
    """How much the loss leaves to what is not predicted well."""

    focus: float = option(2.0, help="gamma, the power of the share of probability that is missing", ge=1)


@dataclass(frozen=True, kw_only=True)
class WeightGrowthConfig:
    """When to look at the weights, and when there is too much of them."""

    every: Every = option(default_factory=lambda: Every(steps=100), help="when to look", may_change=True)
    limit: float = option(
        10.0, help="stop once the norm of a matrix is this many times what it was at first", gt=1, may_change=True
    )
