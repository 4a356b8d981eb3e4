"""The criteria this package offers."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer two losses."""
    yield Component(
        kind="criterion",
        name="cross_entropy",
        ref="seqtrain_criteria.cross_entropy:cross_entropy",
        config="seqtrain_criteria.config:CrossEntropyConfig",
        summary="Negative log-likelihood of the targets",
    )
    yield Component(
        kind="criterion",
        name="label_smoothed_cross_entropy",
        ref="seqtrain_criteria.cross_entropy:label_smoothed_cross_entropy",
        config="seqtrain_criteria.config:LabelSmoothedCrossEntropyConfig",
        summary="Cross entropy with some mass on every other symbol",
    )
