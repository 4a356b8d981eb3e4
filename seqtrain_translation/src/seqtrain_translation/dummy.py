"""Translation of made-up sentence pairs, for benchmarks and dry runs."""

from __future__ import annotations

from seqtrain_text.dummy_config import DummyConfig
from seqtrain_text.dummy_store import DummyStore
from seqtrain_text.dummy_task import DummyTask
from seqtrain_translation.dataset import ParallelDataset, ParallelStores
from seqtrain_translation.task import TranslationTask


class DummyTranslationTask(DummyTask, TranslationTask):
    """The same task with made-up pairs, whose sides have nothing to do with each other."""

    @property
    def dummy(self) -> DummyConfig:
        """How the data is made up."""
        return self._config.dummy

    def new_dataset(self, split: str) -> ParallelDataset:
        """Make up pairs."""
        source, target = (
            DummyStore(self.dummy, self.dummy.counts[split], stream=f"{split} {side}") for side in ("source", "target")
        )
        return self.join_pairs([ParallelStores(source, target)])
