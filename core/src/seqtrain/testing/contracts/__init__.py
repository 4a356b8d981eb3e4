"""One contract for each kind of component, to be subclassed by a test; see `seqtrain.testing`."""

from __future__ import annotations

from seqtrain.testing.contracts.callback import CallbackContract
from seqtrain.testing.contracts.component import ComponentContract
from seqtrain.testing.contracts.criterion import CriterionContract
from seqtrain.testing.contracts.lr_scheduler import LRSchedulerContract
from seqtrain.testing.contracts.model import ModelContract
from seqtrain.testing.contracts.optimizer import OptimizerContract
from seqtrain.testing.contracts.tracker import TrackerContract

__all__ = [
    "CallbackContract",
    "ComponentContract",
    "CriterionContract",
    "LRSchedulerContract",
    "ModelContract",
    "OptimizerContract",
    "TrackerContract",
]
