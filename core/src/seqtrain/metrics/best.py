"""A validation measure with its direction, and the best value of it so far."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measure:
    """
    A validation measure, and which way it is better.

    Args:
        name: such as "loss" or "bleu".
        higher_is_better: more of it is better.
    """

    name: str
    higher_is_better: bool

    def improves(self, value: float, best: float | None, *, threshold: float = 0.0) -> bool:
        """
        Say whether a value is better than the best so far; NaN never is.

        Args:
            value: the new one.
            best: the best so far; None: there is none.
            threshold: the least change that counts, as a share of |best|, >= 0.
        """
        if math.isnan(value):
            return False
        if best is None:
            return True
        change = value - best if self.higher_is_better else best - value
        return change > threshold * abs(best)


class BestSoFar:
    """
    The best value of a measure, and for how many validations it has stood.

    Its state names the measure: a resumed run that goes by another one begins anew.

    Args:
        measure: what is compared.
        threshold: the least change that counts as better, as a share of |best|.
    """

    def __init__(self, measure: Measure, *, threshold: float = 0.0) -> None:
        self.measure = measure
        self.threshold = threshold
        self.value: float | None = None
        self.age = 0
        """Validations since the best value."""

    def update(self, value: float) -> bool:
        """Take in the value of a validation; return whether it is the best so far."""
        if self.measure.improves(value, self.value, threshold=self.threshold):
            self.value, self.age = value, 0
            return True
        self.age += 1
        return False

    def state_dict(self) -> dict[str, Any]:
        """Return the measure, its best value and how old that is."""
        return {
            "metric": self.measure.name,
            "higher_is_better": self.measure.higher_is_better,
            "best": self.value,
            "age": self.age,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a saved state, unless it is of another measure, or of the same one the other way round."""
        saved = Measure(state["metric"], state["higher_is_better"])
        if saved == self.measure:
            self.value, self.age = state["best"], state["age"]
