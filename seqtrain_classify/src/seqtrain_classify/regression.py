"""`task.kind=regression`: every text has a number."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from seqtrain.api import DataError
from seqtrain_classify.cells import NUMBER, is_missing, plain_value
from seqtrain_classify.kind import Scores
from seqtrain_classify.results import NumberResults
from seqtrain_classify.tallies import RowTally, join_rows
from seqtrain_classify.targets import NumberTargets
from seqtrain_text.records import shorten

logger = logging.getLogger(__name__)

LARGEST = float(np.finfo(np.float32).max)


@final
class Regression:
    """A number each; see `Kind` for the methods."""

    metrics = ("classify/pearson", "classify/spearman")
    results_type = NumberResults
    labels: Sequence[str] = ()
    num_classes = 1

    def read(self, cell: Any) -> float:
        """Return the number."""
        value = plain_value(cell)
        if is_missing(value):
            found = f": it is {value}" if isinstance(value, float) else ""
            raise ValueError(f"the number is missing{found}. Fill it in or remove the row.")
        if isinstance(value, str):
            value = value.strip()
            if not NUMBER.fullmatch(value):
                raise ValueError(_no_number(value))
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(_no_number(value))  # noqa: TRY004 - the caller adds the place
        try:
            number = float(value)
        except OverflowError:  # a whole number of hundreds of digits
            number = math.inf
        if abs(number) > LARGEST:
            raise ValueError(
                f"the number {shorten(value)} is too large: at most {LARGEST:.4g}. Mend or remove the row."
            )
        return number

    def learn(self, cells: Iterable[float], where: str) -> None:
        """See that numbers differ; there is nothing to keep."""
        numbers = np.fromiter(cells, np.float64)
        if numbers.min() == numbers.max():
            raise DataError(
                f"{where}: every row has the number {numbers[0]:g}, so there is nothing to tell apart. "
                "Check task.label_column, or add rows with another number."
            )
        logger.info("%d numbers, %g to %g, mean %g", len(numbers), numbers.min(), numbers.max(), numbers.mean())

    def restore(self, labels: Sequence[str]) -> None:
        """Do nothing."""

    def encode(self, cell: Any) -> float:
        """Return the number."""
        return self.read(cell)

    def new_targets(self) -> NumberTargets:
        """Make room for targets."""
        return NumberTargets()

    def scores(self, logits: Tensor) -> Tensor:
        """Return the model's output as it is."""
        return logits.float()

    def decide(self, scores: Scores) -> NDArray[Any]:
        """Return the numbers, (B,)."""
        return scores[:, 0]

    def new_tally(self) -> RowTally:
        """Return what keeps answers by row."""
        return RowTally()

    def results(self, told: Sequence[Any]) -> NumberResults:
        """Put answers beside targets."""
        return NumberResults(*join_rows(told, np.float32))

    def written(self, answers: NDArray[Any]) -> list[str]:
        """Write numbers."""
        return [f"{each:.4f}" for each in answers]

    def cells(self, scores: Scores) -> list[str]:
        """Write the number."""
        return [f"{scores[0]:.4f}"]

    def fields(self, scores: Scores) -> dict[str, Any]:
        """Write the number."""
        return {"number": round(float(scores[0]), 4)}


def _no_number(value: Any) -> str:
    return (
        f"the label {shorten(value)} is no number, which task.kind=regression asks for: digits 0 to 9, perhaps with a "
        "sign, a decimal point and an exponent, such as -2, 0.5 or 1e-3. Mend or remove the row, check "
        "task.label_column, or set task.kind=single."
    )
