"""`task.kind=multi`: a text has any of the labels, or none."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from seqtrain.api import DataError
from seqtrain_classify.cells import is_missing, plain_value, read_label
from seqtrain_classify.kind import Scores
from seqtrain_classify.labels import LabelMap, choose_labels, listed
from seqtrain_classify.probabilities import probability_cells, probability_fields
from seqtrain_classify.results import LabelSetResults
from seqtrain_classify.tallies import LabelSetTally, join_label_sets
from seqtrain_classify.targets import LabelSetTargets
from seqtrain_text.records import shorten

logger = logging.getLogger(__name__)


@final
class MultiLabel:
    """
    Any labels each; see `Kind` for the methods.

    Args:
        separator: what is between labels in a cell.
        threshold: a text has the labels that are at least so probable.
        num_probabilities: as `prediction.probabilities`.
    """

    metrics = ("classify/accuracy", "classify/macro_f1", "classify/micro_f1")
    results_type = LabelSetResults

    def __init__(self, separator: str, threshold: float, num_probabilities: int | None = None) -> None:
        self._separator, self._threshold, self._num_probabilities = separator, threshold, num_probabilities
        self._map = LabelMap(())

    @property
    def labels(self) -> Sequence[str]:
        """The labels in the order of their numbers."""
        return self._map.labels

    @property
    def num_classes(self) -> int:
        """C, the number of labels."""
        return len(self.labels)

    def read(self, cell: Any) -> list[str]:
        """Return the labels, each once; a cell with blanks alone, or an empty list, has none."""
        value = plain_value(cell)
        if isinstance(value, str):
            value = [part for part in value.split(self._separator) if part.strip()]
        elif is_missing(value):
            raise ValueError(
                f"the labels are missing: {'null' if value is None else value}. Fill them in or remove the row; a text "
                "that has no label has an empty list, [], or an empty cell."
            )
        names = list(map(read_label, value if isinstance(value, list) else [value]))
        for name in names:
            if self._separator in name:
                raise ValueError(
                    f"the label {shorten(name)} has the separator {self._separator!r} in it. "
                    "Set task.label_separator to something that no label has."
                )
        return list(dict.fromkeys(names))

    def learn(self, cells: Iterable[list[str]], where: str) -> None:
        """Learn the labels; there must be two."""
        counts: Counter[str] = Counter()
        num_rows = 0
        for names in cells:
            num_rows += 1
            counts.update(names)
        if len(counts) < 2:
            found = f"{shorten(next(iter(counts)))} is the only label" if counts else "no row has a label"
            raise DataError(
                f"{where}: {found}, and task.kind=multi is for two or more. Check task.label_column and "
                f"task.label_separator={self._separator!r}, or set task.kind=single."
            )
        self.restore(choose_labels(counts, where))
        logger.info("%d labels in %d rows: %s", self.num_classes, num_rows, listed(counts, self.labels))

    def restore(self, labels: Sequence[str]) -> None:
        """Take over labels."""
        self._map = LabelMap(labels)

    def encode(self, cell: Any) -> list[int]:
        """Return the labels' numbers."""
        return [self._map.number(name) for name in self.read(cell)]

    def new_targets(self) -> LabelSetTargets:
        """Make room for targets."""
        return LabelSetTargets(self.num_classes)

    def scores(self, logits: Tensor) -> Tensor:
        """Return the probability of each label."""
        return logits.float().sigmoid()

    def decide(self, scores: Scores) -> NDArray[Any]:
        """Return (B, C) bool, which labels are probable enough."""
        return scores >= self._threshold

    def new_tally(self) -> LabelSetTally:
        """Return what counts answers by label."""
        return LabelSetTally(self.num_classes)

    def results(self, told: Sequence[Any]) -> LabelSetResults:
        """Sum the counts."""
        return join_label_sets(told, self.labels)

    def written(self, answers: NDArray[Any]) -> list[str]:
        """Write the labels of each text, with the separator between."""
        return [self._separator.join(self._names(each)) for each in answers]

    def cells(self, scores: Scores) -> list[str]:
        """Write the labels, and probabilities."""
        names = self._separator.join(self._names(self.decide(scores)))
        return [names, *probability_cells(self.labels, scores, self._num_probabilities)]

    def fields(self, scores: Scores) -> dict[str, Any]:
        """Write the labels, and probabilities by name."""
        probabilities = probability_fields(self.labels, scores, self._num_probabilities)
        return {"labels": self._names(self.decide(scores)), "probabilities": probabilities}

    def _names(self, answer: NDArray[Any]) -> list[str]:
        return [self.labels[number] for number in np.flatnonzero(answer).tolist()]
