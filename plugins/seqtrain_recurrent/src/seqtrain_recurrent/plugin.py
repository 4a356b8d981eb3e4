"""What this package offers."""

from __future__ import annotations

from collections.abc import Iterator

from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components() -> Iterator[Component]:
    """Offer the models."""
    yield Component(
        kind="model",
        name="lstm",
        ref="seqtrain_recurrent.lstm:LSTMEncoderDecoder",
        config="seqtrain_recurrent.config:LSTMConfig",
        summary="LSTM encoder-decoder with attention and input feeding",
        for_tasks=("translation",),
        presets="seqtrain_recurrent:presets/lstm.yaml",
    )
    yield Component(
        kind="model",
        name="lstm_lm",
        ref="seqtrain_recurrent.lstm_lm:LSTMLanguageModel",
        config="seqtrain_recurrent.config:LSTMLanguageModelConfig",
        summary="LSTM that continues text, weight-dropped if asked",
        for_tasks=("lm",),
        presets="seqtrain_recurrent:presets/lstm_lm.yaml",
    )
    yield Component(
        kind="model",
        name="lstm_classifier",
        ref="seqtrain_recurrent.lstm_classifier:LSTMClassifier",
        config="seqtrain_recurrent.config:LSTMClassifierConfig",
        summary="Bidirectional LSTM that labels texts",
        for_tasks=("classify",),
        presets="seqtrain_recurrent:presets/lstm_classifier.yaml",
    )
