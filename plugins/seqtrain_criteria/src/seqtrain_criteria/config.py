"""Settings of the criteria; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import option


@dataclass(frozen=True, kw_only=True)
class CrossEntropyConfig:
    """Negative log-likelihood of the targets."""

    z_loss: float = option(
        0.0, help="times (ln of the sum of exp(logits))^2, added to each target's loss: 1e-4 keeps logits small", ge=0
    )
    chunk_rows: int = option(
        256, help="logits held at once where the model offers features; more suits a GPU", unit="targets", ge=1
    )


@dataclass(frozen=True, kw_only=True)
class LabelSmoothedCrossEntropyConfig(CrossEntropyConfig):
    """Cross entropy against targets that give a little of their mass to every other symbol."""

    label_smoothing: float = option(0.1, help="mass taken from the target and spread over the others", ge=0, lt=1)


@dataclass(frozen=True, kw_only=True)
class RDropConfig(LabelSmoothedCrossEntropyConfig):
    """Label-smoothed cross entropy of two passes with different dropout, which are pulled together."""

    alpha: float = option(5.0, help="weight of the divergence between the passes; 1 to 5 in the paper", ge=0)


@dataclass(frozen=True, kw_only=True)
class SentencePredictionConfig:
    """A label, several labels, or a number for each example."""

    label_smoothing: float = option(0.0, help="mass taken from the label and spread over the others", ge=0, lt=1)
    class_weights: tuple[float, ...] | None = option(
        None, help="how much an example of each class counts, in the order of the labels; default: all alike", ge=0
    )


@dataclass(frozen=True, kw_only=True)
class SentenceRankingConfig:
    """The right one among the candidates of each example; there is nothing to set."""
