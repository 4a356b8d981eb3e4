"""Language models of made-up text, for benchmarks and dry runs."""

from __future__ import annotations

from seqtrain_lm.blocks import BlockRules, make_blocks
from seqtrain_lm.dataset import BlockDataset, BlockFile
from seqtrain_lm.task import LMTask
from seqtrain_text.dummy_config import DummyConfig
from seqtrain_text.dummy_store import DummyStore
from seqtrain_text.dummy_task import DummyTask


class DummyLMTask(DummyTask, LMTask):
    """The same task with made-up lines, each of which is a block, whatever `break_mode` says."""

    @property
    def dummy(self) -> DummyConfig:
        """How the data is made up."""
        return self._config.dummy

    def new_dataset(self, split: str) -> BlockDataset:
        """Make up blocks."""
        config = self._config
        store = DummyStore(self.dummy, self.dummy.counts[split], stream=split)
        rules = BlockRules(
            size=config.tokens_per_sample, break_mode="eos", too_long="error", packed=config.pack_documents
        )
        blocks = make_blocks(store, rules, "made-up data")
        return self.join_blocks([BlockFile(store=store, blocks=blocks, goes_on=False)], rules)
