"""What this package offers."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer the models."""
    yield Component(
        kind="model",
        name="fconv",
        ref="seqtrain_conv.fconv:ConvolutionalEncoderDecoder",
        config="seqtrain_conv.config:FConvConfig",
        summary="Gated convolutions, encoder-decoder with attention in every layer",
        for_tasks=("translation",),
        presets="seqtrain_conv:presets/fconv.yaml",
    )
    yield Component(
        kind="model",
        name="fconv_lm",
        ref="seqtrain_conv.fconv_lm:fconv_lm",
        config="seqtrain_conv.config:FConvLanguageModelConfig",
        summary="Gated convolutions that continue text",
        for_tasks=("lm",),
        presets="seqtrain_conv:presets/fconv_lm.yaml",
    )
    yield Component(
        kind="model",
        name="lightconv",
        ref="seqtrain_conv.lightconv:lightconv",
        config="seqtrain_conv.config:LightConvConfig",
        summary="Lightweight convolutions in place of self-attention",
        for_tasks=("translation",),
        presets="seqtrain_conv:presets/lightconv.yaml",
    )
    yield Component(
        kind="model",
        name="dynamicconv",
        ref="seqtrain_conv.lightconv:dynamicconv",
        config="seqtrain_conv.config:LightConvConfig",
        summary="Convolutions with filters made for each position",
        for_tasks=("translation",),
        presets="seqtrain_conv:presets/lightconv.yaml",
    )
    yield Component(
        kind="model",
        name="cnn_classifier",
        ref="seqtrain_conv.cnn_classifier:CNNClassifier",
        config="seqtrain_conv.config:CNNClassifierConfig",
        summary="Convolutions and their maxima over time, to label texts",
        for_tasks=("classify",),
        presets="seqtrain_conv:presets/cnn_classifier.yaml",
    )
