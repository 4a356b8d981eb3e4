"""Blocks of text from token stores, as the trainer plans and collates them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from seqtrain.api import Batch, DataError
from seqtrain_lm.blocks import BlockRules, Blocks, make_blocks
from seqtrain_lm.config import LMConfig
from seqtrain_lm.mapped_array import IntArray
from seqtrain_lm.rows import BlockRows, in_order
from seqtrain_lm.vocabulary import Vocabulary
from seqtrain_text.corpus import CorpusFile
from seqtrain_text.joined_files import JoinedFiles
from seqtrain_text.mixing import epoch_weights
from seqtrain_text.row_store import RowStore
from seqtrain_text.store import TokenStore


class MakeBatches(Protocol):
    """What the objective makes of blocks."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The ids that occur."""
        ...

    @property
    def key(self) -> str:
        """What the batches depend on besides the blocks."""
        ...

    def lengths(self, blocks: IntArray) -> IntArray:
        """Return the lengths (n, sides) of examples of n blocks, given theirs."""
        ...

    def __call__(self, ids: IntArray, rows: BlockRows) -> Batch:
        """Make a batch of the examples with these numbers."""
        ...


@dataclass(frozen=True, kw_only=True)
class BlockFile:
    """
    The blocks of one file.

    Args:
        store: its tokens.
        blocks: how it is cut.
        goes_on: a block is to be read as going on from the token before it, not as the beginning of a line.
        weight: how often an epoch sees it, unless a temperature evens out sizes.
        share: of the blocks, those that make up the file once.
    """

    store: RowStore
    blocks: Blocks
    goes_on: bool
    weight: float = 1.0
    share: float = 1.0

    @property
    def found(self) -> Mapping[str, Any]:
        """What was counted in the file; a line that is skipped is in no block."""
        if not self.store.found:
            return {}
        kept = self.store.found["kept"] - self.blocks.odd.get("skipped", 0)
        return {**self.store.found, **self.blocks.odd, "kept": kept, "blocks": len(self.blocks)}

    def rows(self, indices: IntArray, eos: int) -> BlockRows:
        """Read blocks."""
        spans = self.blocks.spans(indices)
        tokens = self.store.read(spans.starts, spans.lengths)
        before = np.full(len(spans.starts), eos, np.int64)
        if self.goes_on:
            inside = spans.starts > 0
            before[inside] = self.store.read(spans.starts[inside] - 1, np.ones(inside.sum(), np.int64))
        return BlockRows(tokens, before, spans.lengths, spans.per_block)


class BlockDataset:
    """
    Blocks of one or several files, one after the other.

    Args:
        files: the files.
        make_batch: what the objective makes of blocks.
        eos: what ends a line, and so stands before the first one.
        rules: what, besides the files, decides on the blocks.
        temperature: see `epoch_weights`.
    """

    def __init__(
        self,
        files: Sequence[BlockFile],
        make_batch: MakeBatches,
        *,
        eos: int,
        rules: object,
        temperature: float = 1.0,
    ) -> None:
        self.files = files
        self._make_batch = make_batch
        self._eos = eos
        sizes = [len(each.blocks) * each.share for each in files]
        times = epoch_weights(sizes, [each.weight for each in files], temperature)
        weights = [time * each.share for time, each in zip(times, files, strict=True)]
        self._joined = JoinedFiles([len(each.blocks) for each in files], weights)
        self.parts = self._joined.parts
        of_files = [(each.store.fingerprint, weight) for each, weight in zip(files, weights, strict=True)]
        content = (make_batch.key, rules, of_files)
        self.fingerprint = hashlib.sha256(repr(content).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self._joined)

    def lengths(self, start: int, stop: int) -> IntArray:
        """Return the lengths of examples [start, stop), (stop - start, sides)."""
        pieces = [np.empty(0, np.int64)]
        for number, first, last in self._joined.spans(start, stop):
            pieces.append(self.files[number].blocks.lengths(first, last))
        return self._make_batch.lengths(np.concatenate(pieces))

    def collate(self, indices: IntArray) -> Batch:
        """Make a batch of these blocks, in this order."""
        indices = np.asarray(indices, np.int64)
        chosen, order = self._joined.by_file(indices)
        pieces = [self.files[number].rows(blocks, self._eos) for number, blocks in chosen]
        return self._make_batch(indices, in_order(pieces, order))

    def describe(self, index: int) -> str:
        """Say where a block begins, such as `train.txt:17, token 640 of the file`."""
        number, block = self._joined.find(index)
        file = self.files[number]
        start = int(file.blocks.spans(np.array([block])).starts[0])
        return f"{file.store.describe(file.store.row_at(start))}, token {start + 1} of the file"


def block_rules(config: LMConfig, *, is_training: bool) -> BlockRules:
    """Return how text becomes blocks: only training may leave any out, or sample them at random."""
    return BlockRules(
        size=config.tokens_per_sample,
        break_mode=config.break_mode,
        too_long=config.too_long if is_training else "split",
        random=config.random_blocks and is_training,
        packed=config.pack_documents,
    )


def make_block_file(file: CorpusFile, store: TokenStore, rules: BlockRules) -> BlockFile:
    """Find the blocks of a file."""
    blocks = make_blocks(store, rules, file.path)
    # Of the blocks that begin anywhere, an epoch samples as many as would fill the file.
    share = max(1, store.num_tokens // rules.size) / len(blocks) if rules.random else 1.0
    return BlockFile(store=store, blocks=blocks, goes_on=rules.break_mode == "none", weight=file.weight, share=share)


def refuse_too_little(blocks: Sequence[BlockFile], names: str, config: LMConfig) -> None:
    """
    Refuse training files that do not fill one block, where blocks go on from one line to the next.

    Raises:
        DataError: they do not; `names` are those of the files.
    """
    num_tokens, size = sum(each.store.num_tokens for each in blocks), config.tokens_per_sample
    if config.break_mode == "none" and num_tokens < size:
        raise DataError(
            f"{names}: {num_tokens} tokens are fewer than one block has, "
            f"task.tokens_per_sample={size}. Set task.tokens_per_sample={num_tokens} or less, or add text."
        )
