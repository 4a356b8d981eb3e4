"""Which kind `task.kind` names."""

from __future__ import annotations

from seqtrain_classify.config import ClassifyConfig
from seqtrain_classify.kind import Kind
from seqtrain_classify.multi_label import MultiLabel
from seqtrain_classify.regression import Regression
from seqtrain_classify.single_label import SingleLabel


def make_kind(config: ClassifyConfig) -> Kind:
    """Make what `task.kind` names."""
    prediction = config.prediction
    if config.kind == "multi":
        return MultiLabel(config.label_separator, prediction.threshold, prediction.probabilities)
    return Regression() if config.kind == "regression" else SingleLabel(prediction.probabilities)
