"""What this package offers."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer the models."""
    yield Component(
        kind="model",
        name="transformer",
        ref="seqtrain_transformer.transformer:Transformer",
        config="seqtrain_transformer.config:TransformerConfig",
        summary="Transformer encoder-decoder",
        for_tasks=("translation",),
        presets="seqtrain_transformer:presets/transformer.yaml",
    )
