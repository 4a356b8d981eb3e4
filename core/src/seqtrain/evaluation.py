"""One pass over a split: the criterion's measures and the task's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from seqtrain.data.epoch_iterator import iter_batches
from seqtrain.data.plan import BatchLimits
from seqtrain.engine.engine import Engine
from seqtrain.metrics.sums import MetricSums
from seqtrain.protocols import Criterion
from seqtrain.task import Task


@dataclass(frozen=True)
class Evaluator:
    """
    Measures models on the splits of a task; the same in validation and in `seqtrain evaluate`.

    Args:
        task: knows the splits and its measures.
        criterion: gives the loss.
        engine: where to compute.
        limits: how large a batch may be.
    """

    task: Task
    criterion: Criterion
    engine: Engine
    limits: BatchLimits

    def measure(self, split: str, models: Sequence[nn.Module]) -> dict[str, float]:
        """
        Return the measures of a split, the same on all workers, of which each computes a share.

        The loss is the first model's; the task's measures may use several.
        """
        group = self.engine.group
        shares = group.map(lambda _: self._sums_of_share(split, models[0]).state_dict(), range(group.world_size))
        for model in models:
            model.eval()
        measures = {**MetricSums.total(shares).means(), **self.task.measure(split, models)}
        return group.broadcast(measures)  # type: ignore[no-any-return] # a plugin's may differ by a rounding error

    def _sums_of_share(self, split: str, model: nn.Module) -> MetricSums:
        """Add up what the criterion says of every so many-th batch: neighbours, which take equally long, go apart."""
        sums = MetricSums()
        for batch in iter_batches(self.task.dataset(split), self.limits, self.engine.group.share):
            _, sample_size, logged = self.task.valid_step(batch.to(self.engine.device), model, self.criterion)
            sums.add(logged, sample_size)
        return sums

    @property
    def validation_splits(self) -> list[str]:
        """The names of the validation splits, the deciding one first."""
        return [split for split in self.task.splits() if split.split("/")[0] == "valid"]

    def validate(self, model: nn.Module) -> dict[str, dict[str, float]]:
        """Return the measures of every validation split, the deciding one first."""
        with self.engine.full_model(model) as whole:
            return {split: self.measure(split, [whole]) for split in self.validation_splits}


def deciding(measures: Mapping[str, Mapping[str, float]]) -> Mapping[str, float]:
    """Return the measures of the first validation split, which decides what is best."""
    return next(iter(measures.values()))
