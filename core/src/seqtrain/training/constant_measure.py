"""A warning of a `trainer.best_metric` that cannot tell one checkpoint from another."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from seqtrain.plugin import hookimpl

logger = logging.getLogger(__name__)

_ENOUGH = 3
"""Validations after which an equal value is no longer put down to chance; at the end of a run, one less."""


class ConstantMeasure:
    """
    Warns, once, where `best_metric` has had the same value in all validations since the start, such as a BLEU of 0.

    Args:
        metric: its name.
        patience: validations without an improvement after which the run stops; None: it does not.
    """

    def __init__(self, metric: str, patience: int | None) -> None:
        self._metric = metric
        self._enough = _ENOUGH if patience is None else min(_ENOUGH, patience + 1)
        self._first: dict[str, float] = {}
        self._changing: dict[str, None] = {}  # names, in the order in which they are reported
        self._count = 0
        self._warned = False

    @hookimpl
    def seqtrain_validation_end(self, measures: Mapping[str, float]) -> None:
        """Compare with the first validation."""
        self._count += 1
        self._first = self._first or dict(measures)
        self._changing |= {name: None for name, value in measures.items() if value != self._first.get(name)}
        if self._count >= self._enough:
            self._warn()

    @hookimpl
    def seqtrain_run_end(self) -> None:
        """Warn of a run that was too short to be warned of before."""
        if self._count > 1:
            self._warn()

    def _warn(self) -> None:
        if self._warned or self._metric not in self._first or self._metric in self._changing:
            return
        self._warned = True
        changing = ", ".join(self._changing)
        logger.warning(
            "trainer.best_metric=%s is %.6g in all %d validations since the start, so it cannot tell which checkpoint "
            "is best; the first stays `best`.%s",
            self._metric,
            self._first[self._metric],
            self._count,
            f" Set trainer.best_metric to a measure that changes: {changing}" if changing else "",
        )
