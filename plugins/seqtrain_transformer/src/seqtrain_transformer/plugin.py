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
    yield Component(
        kind="model",
        name="transformer_lm",
        ref="seqtrain_transformer.transformer_lm:transformer_lm",
        config="seqtrain_transformer.config:TransformerLMConfig",
        summary="Transformer that continues text, like GPT",
        for_tasks=("lm",),
        presets="seqtrain_transformer:presets/transformer_lm.yaml",
    )
    yield Component(
        kind="model",
        name="transformer_classifier",
        ref="seqtrain_transformer.transformer_classifier:TransformerClassifier",
        config="seqtrain_transformer.config:TransformerClassifierConfig",
        summary="Transformer encoder that labels texts or fills in masked tokens",
        for_tasks=("classify", "lm"),
        presets="seqtrain_transformer:presets/transformer_classifier.yaml",
    )
