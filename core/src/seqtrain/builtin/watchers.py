"""What core itself has watch a run."""

from __future__ import annotations

from typing import Any

from seqtrain.config.schema import RunConfig
from seqtrain.metrics.best import Measure
from seqtrain.training.constant_measure import ConstantMeasure
from seqtrain.training.stopping import EarlyStopping
from seqtrain.workers.group import WorkerGroup
from seqtrain.workers.watchdog import RunWatch, Watchdog


def own_watchers(config: RunConfig, group: WorkerGroup, best_metric: Measure) -> dict[str, Any]:
    """
    Build the watchers, by their names in checkpoints and errors.

    Args:
        config: of the run.
        group: the workers; several are watched for one that makes no progress.
        best_metric: `trainer.best_metric`.
    """
    built: dict[str, Any] = {"constant_measure": ConstantMeasure(best_metric.name, config.trainer.patience)}
    if config.trainer.patience is not None:
        built["early_stopping"] = EarlyStopping(best_metric, config.trainer.patience)
    if group.world_size > 1:
        built["watchdog"] = RunWatch(Watchdog(config.distributed.timeout, group.rank))
    return built
