"""Our own tasks, and the toy task, keep the contract that everybody's do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from seqtrain_testing.contracts import TaskContract


class TestTranslation(TaskContract):
    """Translation of the tiny corpus, word by word."""

    name = "translation/translation"
    settings = {
        "source_lang": "en", "target_lang": "de", "tokenizer": {"name": "word"}, "max_length": 32, "buffer_lines": 3,
        "generation": {"beam": 2, "max_len_b": 5},
    }  # fmt: skip
    run_overrides = (
        "model.encoder_layers=1", "model.decoder_layers=1", "model.embed_dim=16", "model.ffn_dim=32",
        "model.attention_heads=2", "lr_scheduler.warmup_steps=10",
    )  # fmt: skip
    most_read = 3

    @pytest.fixture
    def task_settings(self, tiny_corpus: Path) -> Mapping[str, Any]:
        return {split: str(tiny_corpus / split) for split in ("train", "valid", "test")}


class TestToyTask(TaskContract):
    """The toy task, which other components are tried on."""

    name = "toy/toy"


class TestToyTaskOfLabels(TaskContract):
    """The toy task, with labels as targets."""

    name = "toy/toy"
    settings = {"form": "classify"}
