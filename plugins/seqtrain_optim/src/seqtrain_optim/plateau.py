"""The scheduler `reduce_lr_on_plateau`, which watches a validation measure."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from seqtrain.api import ConfigError, Measure
from seqtrain.plugin import hookimpl
from seqtrain_optim.curves import after_warmup, count_warmup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seqtrain.api import Trainer
    from seqtrain_optim.schedule_config import ReduceLROnPlateauConfig

logger = logging.getLogger(__name__)


class ReduceLROnPlateau:
    """
    Cut the learning rate when a measure has not become better in more than `patience` validations.

    Validations during warm-up don't count.

    Source:
        `torch.optim.lr_scheduler.ReduceLROnPlateau` with a relative threshold and no cooldown.
    """

    def __init__(self, config: ReduceLROnPlateauConfig, *, total_steps: int | None) -> None:
        self.config = config = count_warmup(config, total_steps)
        self.best: float | None = None
        self.bad_validations = 0
        self.factor = 1.0
        self._schedule = after_warmup(config, lambda _step: self.factor)

    def __call__(self, step: int, /) -> float:
        """Return the factor for update number `step`, counted from 1."""
        return self._schedule(step)

    @hookimpl
    def seqtrain_run_start(self, trainer: Trainer) -> None:
        """
        Learn from the task which way the measure is better, so that a contradiction is known before the first step.

        Raises:
            ConfigError: `lr_scheduler.mode` says otherwise.
        """
        self._measure(trainer)

    @hookimpl
    def seqtrain_validation_end(self, trainer: Trainer, measures: Mapping[str, float]) -> None:
        """
        Look at the measure, and cut the learning rate if it is time.

        Raises:
            ConfigError: there is no such measure.
        """
        metric = self.config.metric
        if metric not in measures:
            raise ConfigError(
                f"lr_scheduler.metric: validation gives no measure {metric!r}; set it to one of {', '.join(measures)}"
            )
        if trainer.progress.step < self.config.warmup_steps:
            return
        if self._measure(trainer).improves(measures[metric], self.best, threshold=self.config.threshold):
            self.best = measures[metric]
            self.bad_validations = 0
            return
        self.bad_validations += 1
        if self.bad_validations > self.config.patience:
            self.bad_validations = 0
            self.factor = max(self.factor * self.config.factor, self.config.min_factor)
            logger.info(
                "%s is no better than %s: the learning rate is now %g of its start", metric, self.best, self.factor
            )

    def _measure(self, trainer: Trainer) -> Measure:
        """Return the measure with its direction, which is the task's."""
        measure = Measure(self.config.metric, self.config.metric in trainer.higher_is_better)
        mode, better = ("max", "more") if measure.higher_is_better else ("min", "less")
        if self.config.mode not in (None, mode):
            raise ConfigError(
                f"lr_scheduler.mode={self.config.mode} would cut the learning rate because the model improves: of "
                f"lr_scheduler.metric={measure.name} {better} is better. Leave out lr_scheduler.mode, which the task "
                "knows, or name another measure."
            )
        return measure

    def state_dict(self) -> dict[str, Any]:
        """Return what has been seen of which measure, and the factor it led to."""
        return {
            "metric": self.config.metric,
            "best": self.best,
            "bad_validations": self.bad_validations,
            "factor": self.factor,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a saved state; where another measure is watched now, watching it begins anew."""
        if state.get("metric", self.config.metric) == self.config.metric:
            self.best = state["best"]
            self.bad_validations = state["bad_validations"]
        self.factor = state["factor"]
