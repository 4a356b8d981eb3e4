"""`task.kind=single`: every text has one of the labels."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from seqtrain.api import DataError
from seqtrain_classify.cells import read_label
from seqtrain_classify.kind import Scores
from seqtrain_classify.labels import LabelMap, choose_labels, listed
from seqtrain_classify.probabilities import probability_cells, probability_fields
from seqtrain_classify.results import LabelResults
from seqtrain_classify.tallies import RowTally, join_rows
from seqtrain_classify.targets import LabelTargets
from seqtrain_text.records import shorten

logger = logging.getLogger(__name__)

SUSPICIOUS = 50  # labels: fewer may well be most of a small table


@final
class SingleLabel:
    """
    One label each; see `Kind` for the methods.

    Args:
        num_probabilities: as `prediction.probabilities`.
    """

    metrics = ("classify/accuracy", "classify/macro_f1", "classify/micro_f1", "classify/mcc")
    results_type = LabelResults

    def __init__(self, num_probabilities: int | None = None) -> None:
        self._num_probabilities = num_probabilities
        self._map = LabelMap(())

    @property
    def labels(self) -> Sequence[str]:
        """The labels in the order of their numbers."""
        return self._map.labels

    @property
    def num_classes(self) -> int:
        """C, the number of labels."""
        return len(self.labels)

    def read(self, cell: Any) -> str:
        """Return the label."""
        return read_label(cell)

    def learn(self, cells: Iterable[str], where: str) -> None:
        """Learn the labels; there must be two."""
        counts = Counter(cells)
        labels = choose_labels(counts, where)
        if len(labels) == 1:
            missing = f" ({counts.total() - counts[labels[0]]} have none)" if len(counts) > 1 else ""
            raise DataError(
                f"{where}: every row has the label {shorten(labels[0])}{missing}, so there is nothing to tell apart. "
                "Check task.label_column, or add rows with another label."
            )
        if len(counts) > max(SUSPICIOUS, counts.total() / 2):
            logger.warning(
                "%s: there are %d labels for %d rows. If these are numbers, set task.kind=regression; "
                "else check task.label_column",
                where, len(counts), counts.total(),
            )  # fmt: skip
        self.restore(labels)
        logger.info("%d labels: %s", len(labels), listed(counts, self.labels))

    def restore(self, labels: Sequence[str]) -> None:
        """Take over labels."""
        self._map = LabelMap(labels)

    def encode(self, cell: Any) -> int:
        """Return the label's number."""
        return self._map.number(self.read(cell))

    def new_targets(self) -> LabelTargets:
        """Make room for targets."""
        return LabelTargets()

    def scores(self, logits: Tensor) -> Tensor:
        """Return the probability of each label."""
        return logits.float().softmax(-1)

    def decide(self, scores: Scores) -> NDArray[Any]:
        """Return the number of the most probable label."""
        numbers: NDArray[Any] = scores.argmax(-1)
        return numbers

    def new_tally(self) -> RowTally:
        """Return what keeps answers by row."""
        return RowTally()

    def results(self, told: Sequence[Any]) -> LabelResults:
        """Put answers beside targets."""
        return LabelResults(*join_rows(told, np.int64), self.labels)

    def written(self, answers: NDArray[Any]) -> list[str]:
        """Write labels."""
        return [self.labels[number] for number in answers.tolist()]

    def cells(self, scores: Scores) -> list[str]:
        """Write the label, and probabilities."""
        return [self.labels[int(scores.argmax())], *probability_cells(self.labels, scores, self._num_probabilities)]

    def fields(self, scores: Scores) -> dict[str, Any]:
        """Write the label, and probabilities by name."""
        probabilities = probability_fields(self.labels, scores, self._num_probabilities)
        return {"label": self.labels[int(scores.argmax())], "probabilities": probabilities}
