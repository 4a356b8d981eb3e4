"""MetricSums and counts, from which every reported number is formed by one division at the end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from seqtrain.protocols import LoggingOutput
from seqtrain.workers.group import WorkerGroup


class MetricSums:
    """
    Adds up what criteria log.

    Every value is divided by the total sample size when reported, except names that start with `num_`: totals.
    Tensors stay on their device until somebody asks, so that adding up never waits.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor | float] = {}
        self._sample_size = 0

    def add(self, logging_output: LoggingOutput, sample_size: int) -> None:
        """Add the sums of one micro-batch."""
        for name, value in logging_output.items():
            wide = value.double() if isinstance(value, Tensor) else value
            self._sums[name] = self._sums[name] + wide if name in self._sums else wide
        self._sample_size += sample_size

    def reset(self) -> None:
        """Start again from nothing."""
        self._sums.clear()
        self._sample_size = 0

    @classmethod
    def total(cls, states: Iterable[Mapping[str, Any]]) -> MetricSums:
        """Return the total of saved sums."""
        total = cls()
        for state in states:
            total.add(state["sums"], state["sample_size"])
        return total

    def over(self, group: WorkerGroup) -> MetricSums:
        """Return the sums over all workers; each adds them up in the same order."""
        if group.world_size == 1:
            return self
        return MetricSums.total(group.all_gather_object(self.state_dict()))

    def totals(self) -> dict[str, float]:
        """Return the sums as numbers; waits for the device."""
        return {name: float(value) for name, value in self._sums.items()}

    def means(self) -> dict[str, float]:
        """Return the measures: means over the sample size, and the perplexity exp(nll_loss) where there is one."""
        size = max(self._sample_size, 1)
        measures = {name: value / size for name, value in self.totals().items() if not name.startswith("num_")}
        if "nll_loss" in measures:
            measures["ppl"] = math.exp(min(measures["nll_loss"], 700.0))  # exp(710) is no longer a float
        return measures

    def state_dict(self) -> dict[str, Any]:
        """Return the sums, exactly: a resumed run reports what an undisturbed one would."""
        return {"sums": self.totals(), "sample_size": self._sample_size}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over saved sums."""
        self._sums = {
            name: value if name.startswith("num_") else torch.tensor(value, dtype=torch.float64)
            for name, value in state["sums"].items()
        }
        self._sample_size = state["sample_size"]
