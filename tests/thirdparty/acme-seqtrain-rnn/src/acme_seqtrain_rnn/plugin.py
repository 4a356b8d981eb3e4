"""What this package offers; imports nothing heavy, as seqtrain imports it whenever it lists plugins."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer a model, a criterion, a callback and a command."""
    yield Component(
        kind="model",
        name="rnn",
        ref="acme_seqtrain_rnn.rnn:RNN",
        config="acme_seqtrain_rnn.config:RNNConfig",
        summary="Gated recurrent encoder and decoder with attention",
        for_tasks=("translation",),
        presets="acme_seqtrain_rnn:presets/rnn.yaml",
    )
    yield Component(
        kind="criterion",
        name="focal",
        ref="acme_seqtrain_rnn.focal:FocalLoss",
        config="acme_seqtrain_rnn.config:FocalConfig",
        summary="Cross entropy that cares less for what is predicted well",
    )
    yield Component(
        kind="callback",
        name="weight_growth",
        ref="acme_seqtrain_rnn.weight_growth:WeightGrowth",
        config="acme_seqtrain_rnn.config:WeightGrowthConfig",
        summary="Stop a run in which a weight matrix grows without bound",
    )
    yield Component(
        kind="command",
        name="curve",
        ref="acme_seqtrain_rnn.curve:curve",
        summary="Draw a metric of a run in one line",
    )
