"""What core expects of the parts it is handed. Nothing here needs to be inherited from."""

from __future__ import annotations

from seqtrain.protocols.data import Dataset, DatasetPart, VariesByEpoch
from seqtrain.protocols.model import (
    CountsUpdates,
    DecodingState,
    DescribesRows,
    IncrementalModel,
    ModelSpec,
    OffersAdaptiveSoftmax,
    OffersFeatures,
)
from seqtrain.protocols.text import (
    DescribesMeasures,
    MeasuresResults,
    Metric,
    NamedIds,
    Reader,
    Rows,
    Tokenizer,
)
from seqtrain.protocols.training import (
    BackwardOptimizer,
    Criterion,
    LoggingOutput,
    LRScheduler,
    ModelParameters,
    ProgressBar,
    Stateful,
    SuppliesWeights,
    WantsConstantRate,
)

__all__ = [
    "BackwardOptimizer",
    "CountsUpdates",
    "Criterion",
    "Dataset",
    "DatasetPart",
    "DecodingState",
    "DescribesMeasures",
    "DescribesRows",
    "IncrementalModel",
    "LRScheduler",
    "LoggingOutput",
    "MeasuresResults",
    "Metric",
    "ModelParameters",
    "ModelSpec",
    "NamedIds",
    "OffersAdaptiveSoftmax",
    "OffersFeatures",
    "ProgressBar",
    "Reader",
    "Rows",
    "Stateful",
    "SuppliesWeights",
    "Tokenizer",
    "VariesByEpoch",
    "WantsConstantRate",
]
