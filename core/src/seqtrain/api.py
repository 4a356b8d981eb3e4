"""
Everything that a component's code may rely on, besides `seqtrain.plugin`; imports torch.

What stands here keeps its name and meaning as docs/stability.md says. Any other module of seqtrain may change.
"""

from __future__ import annotations

from seqtrain.batch import Batch
from seqtrain.config.schema import RunConfig
from seqtrain.data.documents import apply_to_documents
from seqtrain.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    NonFiniteError,
    PluginError,
    SeqtrainError,
    TrainingError,
    UsageError,
)
from seqtrain.inference.load import TrainedRun
from seqtrain.metrics.best import Measure
from seqtrain.protocols import (
    BackwardOptimizer,
    CountsUpdates,
    Criterion,
    Dataset,
    DatasetPart,
    DecodingState,
    DescribesMeasures,
    DescribesRows,
    IncrementalModel,
    LoggingOutput,
    LRScheduler,
    MeasuresResults,
    Metric,
    ModelParameters,
    ModelSpec,
    NamedIds,
    OffersAdaptiveSoftmax,
    OffersFeatures,
    Reader,
    Rows,
    Stateful,
    SuppliesWeights,
    Tokenizer,
    VariesByEpoch,
    WantsConstantRate,
)
from seqtrain.protocols.runs import Exporter, Imported, Importer, Launcher
from seqtrain.task import Task
from seqtrain.trainer import Trainer
from seqtrain.training.progress import Progress
from seqtrain.workers.group import WorkerGroup

__all__ = [
    "BackwardOptimizer",
    "Batch",
    "CheckpointError",
    "ConfigError",
    "CountsUpdates",
    "Criterion",
    "DataError",
    "Dataset",
    "DatasetPart",
    "DecodingState",
    "DescribesMeasures",
    "DescribesRows",
    "Exporter",
    "Imported",
    "Importer",
    "IncrementalModel",
    "LRScheduler",
    "Launcher",
    "LoggingOutput",
    "Measure",
    "MeasuresResults",
    "Metric",
    "ModelParameters",
    "ModelSpec",
    "NamedIds",
    "NonFiniteError",
    "OffersAdaptiveSoftmax",
    "OffersFeatures",
    "PluginError",
    "Progress",
    "Reader",
    "Rows",
    "RunConfig",
    "SeqtrainError",
    "Stateful",
    "SuppliesWeights",
    "Task",
    "Tokenizer",
    "TrainedRun",
    "Trainer",
    "TrainingError",
    "UsageError",
    "VariesByEpoch",
    "WantsConstantRate",
    "WorkerGroup",
    "apply_to_documents",
]
