"""The language-modelling task keeps the contract that every task does, whatever its blocks are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from seqtrain.batch import Batch
from seqtrain_testing.contracts.dataset import DatasetContract
from seqtrain_testing.contracts.task import TaskContract

COMMON = {"tokenizer": {"name": "word"}, "tokens_per_sample": 8}
TINY_LM = (
    "model.layers=1", "model.embed_dim=16", "model.ffn_dim=32", "model.attention_heads=2",
    "lr_scheduler.warmup_steps=1",
)  # fmt: skip


def english(tiny_corpus: Path) -> Mapping[str, Any]:
    """Return the files of the English side."""
    return {split: str(tiny_corpus / f"{split}.en") for split in ("train", "valid", "test")}


class TestStream(TaskContract):
    """Blocks cut anywhere, prompts continued to the end of their line."""

    name = "lm/lm"
    settings = {**COMMON, "buffer_lines": 3, "generation": {"max_new_tokens": 12}}
    run_overrides = TINY_LM
    most_read = 3

    @pytest.fixture
    def task_settings(self, tiny_corpus: Path) -> Mapping[str, Any]:
        return english(tiny_corpus)


class TestRandomBlocks(TestStream):
    """Blocks that begin anywhere, and windows that overlap."""

    settings = {**TestStream.settings, "random_blocks": True, "evaluation": {"stride": 3}}


class TestWholeLines(TestStream):
    """Blocks of whole lines, and continuations beyond the context, by beam search."""

    settings = {
        **TestStream.settings, "break_mode": "complete",
        "generation": {"beam": 2, "max_new_tokens": 12, "stop": "length"},
    }  # fmt: skip


class TestPackedLines(TestStream):
    """A line a block, several of them in an example; and lines are scored."""

    settings = {**TestStream.settings, "break_mode": "eos", "pack_documents": True, "predict": "score"}

    def token_rows(self, batch: Batch) -> dict[str, Tensor]:
        return {name: each for name, each in super().token_rows(batch).items() if name != "documents"}


class TestMasked(DatasetContract):
    """Masked tokens; such a model predicts nothing."""

    name = "lm/lm"
    settings = {**COMMON, "break_mode": "eos", "objective": "masked"}
    run_overrides = ("model.name=transformer_classifier", *TINY_LM)

    @pytest.fixture
    def task_settings(self, tiny_corpus: Path) -> Mapping[str, Any]:
        return english(tiny_corpus)


class TestSpan(TestMasked):
    """Hidden spans."""

    settings = {**COMMON, "objective": "span"}
    run_overrides = (
        "model.name=transformer", "model.encoder_layers=1", "model.decoder_layers=1", "model.embed_dim=16",
        "model.ffn_dim=32", "model.attention_heads=2", "lr_scheduler.warmup_steps=1",
    )  # fmt: skip
