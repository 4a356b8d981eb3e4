"""Classification of made-up texts, for benchmarks and dry runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from seqtrain_classify.config import ClassifyConfig, LabelledDummyConfig
from seqtrain_classify.dataset import LabelledDataset, LabelledTable
from seqtrain_classify.task import ClassifyTask
from seqtrain_text.dummy_store import DummyStore, scramble
from seqtrain_text.dummy_task import DummyTask
from seqtrain_text.metric import MakeNamedMetric
from seqtrain_text.tokenizer_io import MakeTokenizer


class DummyClassifyTask(DummyTask, ClassifyTask):
    """
    The same task with made-up rows, and labels that have nothing to do with them.

    Args:
        config: see `ClassifyConfig`.
        tokenizer: makes one that knows no text.
        metrics: makes a metric by its name.
    """

    def __init__(self, config: ClassifyConfig, *, tokenizer: MakeTokenizer, metrics: MakeNamedMetric) -> None:
        super().__init__(config, tokenizer=tokenizer, metrics=metrics)
        if config.kind != "regression":
            self._kind.restore([f"label-{number}" for number in range(config.dummy.classes)])

    @property
    def dummy(self) -> LabelledDummyConfig:
        """How the data is made up."""
        return self._config.dummy

    def new_dataset(self, split: str) -> LabelledDataset:
        """Make up rows with labels."""
        size, targets = self.dummy.counts[split], self._kind.new_targets()
        for target in self._targets(size, np.uint64(self.dummy.seed)):
            targets.append(target)
        return self.join_tables([LabelledTable(store=DummyStore(self.dummy, size, stream=split), targets=targets)])

    def _targets(self, size: int, key: np.uint64) -> Iterator[Any]:
        """Yield the target of each row, as `Targets.append` takes it."""
        num_labels = self._kind.num_classes
        if self._config.kind == "regression":
            yield from (scramble(np.arange(size), key) / 2.0**64).tolist()
        elif self._config.kind == "multi":
            one_in = np.uint64(max(2, num_labels // 8))  # some 8 labels, however many there are
            for row in range(size):
                drawn = scramble(np.arange(row * num_labels, (row + 1) * num_labels), key)
                yield np.flatnonzero(drawn % one_in == 1).tolist()
        else:
            yield from (scramble(np.arange(size), key) % np.uint64(num_labels)).tolist()
