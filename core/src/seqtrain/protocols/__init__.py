"""What core expects of the parts it is handed. Nothing here needs to be inherited from."""

from __future__ import annotations

from seqtrain.protocols.data import Dataset, DatasetPart
from seqtrain.protocols.model import (
    CountsUpdates,
    DecodingState,
    IncrementalModel,
    ModelSpec,
    OffersAdaptiveSoftmax,
    OffersFeatures,
)
from seqtrain.protocols.runs import Exporter, Imported, Importer, Launcher
from seqtrain.protocols.text import Metric, Reader, Rows, Tokenizer
from seqtrain.protocols.training import (
    BackwardOptimizer,
    Criterion,
    LoggingOutput,
    LRScheduler,
    ModelParameters,
    Stateful,
    SuppliesWeights,
)

__all__ = [
    "BackwardOptimizer",
    "CountsUpdates",
    "Criterion",
    "Dataset",
    "DatasetPart",
    "DecodingState",
    "Exporter",
    "Imported",
    "Importer",
    "IncrementalModel",
    "LRScheduler",
    "Launcher",
    "LoggingOutput",
    "Metric",
    "ModelParameters",
    "ModelSpec",
    "OffersAdaptiveSoftmax",
    "OffersFeatures",
    "Reader",
    "Rows",
    "Stateful",
    "SuppliesWeights",
    "Tokenizer",
]
