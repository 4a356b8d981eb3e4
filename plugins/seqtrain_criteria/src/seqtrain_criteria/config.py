"""Settings of the criteria; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import option


@dataclass(frozen=True, kw_only=True)
class CrossEntropyConfig:
    """Negative log-likelihood of the targets."""

    chunk_rows: int = option(
        256, help="logits held at once where the model offers features; more suits a GPU", unit="targets", ge=1
    )


@dataclass(frozen=True, kw_only=True)
class LabelSmoothedCrossEntropyConfig(CrossEntropyConfig):
    """Cross entropy against targets that give a little of their mass to every other symbol."""

    label_smoothing: float = option(0.1, help="mass taken from the target and spread over the others", ge=0, lt=1)
