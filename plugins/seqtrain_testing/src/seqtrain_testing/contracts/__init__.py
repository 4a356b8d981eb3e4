"""One contract for each kind of component, to be subclassed by a test; see `seqtrain.testing`."""

from __future__ import annotations

from seqtrain.testing.contracts.callback import CallbackContract
from seqtrain.testing.contracts.command import CommandContract
from seqtrain.testing.contracts.component import ComponentContract
from seqtrain.testing.contracts.criterion import CriterionContract
from seqtrain.testing.contracts.exporter import ExporterContract
from seqtrain.testing.contracts.importer import ImporterContract
from seqtrain.testing.contracts.launcher import LauncherContract
from seqtrain.testing.contracts.lr_scheduler import LRSchedulerContract
from seqtrain.testing.contracts.metric import MetricContract
from seqtrain.testing.contracts.model import ModelContract
from seqtrain.testing.contracts.optimizer import OptimizerContract
from seqtrain.testing.contracts.reader import ReaderContract
from seqtrain.testing.contracts.task import TaskContract
from seqtrain.testing.contracts.tokenizer import TokenizerContract
from seqtrain.testing.contracts.tracker import TrackerContract

__all__ = [
    "CallbackContract",
    "CommandContract",
    "ComponentContract",
    "CriterionContract",
    "ExporterContract",
    "ImporterContract",
    "LRSchedulerContract",
    "LauncherContract",
    "MetricContract",
    "ModelContract",
    "OptimizerContract",
    "ReaderContract",
    "TaskContract",
    "TokenizerContract",
    "TrackerContract",
]
