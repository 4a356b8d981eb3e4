"""One contract for each kind of component, to be subclassed by a test; see `seqtrain_testing`."""

from __future__ import annotations

from seqtrain_testing.contracts.callback import CallbackContract
from seqtrain_testing.contracts.command import CommandContract
from seqtrain_testing.contracts.component import ComponentContract
from seqtrain_testing.contracts.criterion import CriterionContract
from seqtrain_testing.contracts.exporter import ExporterContract
from seqtrain_testing.contracts.importer import ImporterContract
from seqtrain_testing.contracts.launcher import LauncherContract
from seqtrain_testing.contracts.lr_scheduler import LRSchedulerContract
from seqtrain_testing.contracts.metric import MetricContract
from seqtrain_testing.contracts.model import ModelContract
from seqtrain_testing.contracts.optimizer import OptimizerContract
from seqtrain_testing.contracts.reader import ReaderContract
from seqtrain_testing.contracts.task import TaskContract
from seqtrain_testing.contracts.tokenizer import TokenizerContract
from seqtrain_testing.contracts.tracker import TrackerContract

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
