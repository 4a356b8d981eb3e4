"""The classification task keeps the contract that every task does, whatever its tables and labels are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("seqtrain_testing.contracts.task", reason="the kit has no contract of tasks yet")

from seqtrain.task import Task
from seqtrain_testing.contracts.content import content_of
from seqtrain_testing.contracts.dataset import Prepare, new_folder
from seqtrain_testing.contracts.task import TaskContract

SPLITS = ("train", "valid", "test")


class TestSingleLabel(TaskContract):
    """The first letter of a German text is told from the English one."""

    name = "classify/classify"
    settings = {
        "columns": ["text", "label"], "tokenizer": {"name": "word"}, "max_length": 16, "buffer_lines": 3,
    }  # fmt: skip
    run_overrides = (
        "model.name=transformer_classifier/tiny", "model.layers=1", "model.embed_dim=16", "model.ffn_dim=32", "model.attention_heads=2",
        "lr_scheduler.warmup_steps=1",
    )  # fmt: skip
    most_read = 3
    more_rows = "quite another text\te\n" * 9

    @pytest.fixture
    def task_settings(self, tiny_corpus: Path) -> Mapping[str, Any]:
        for split in SPLITS:
            texts, others = ((tiny_corpus / f"{split}.{side}").read_text("utf-8").splitlines() for side in ("en", "de"))
            rows = [f"{self.cells(*each)}\n" for each in zip(texts, others, strict=True)]
            (tiny_corpus / f"{split}.tsv").write_text("".join(rows), "utf-8")
        for path in tiny_corpus.glob("*.[ed][en]"):
            path.unlink()
        return {split: str(tiny_corpus / f"{split}.tsv") for split in SPLITS}

    def cells(self, text: str, other: str) -> str:
        """Make a row of a text and its translation."""
        return f"{text}\t{other[0].lower()}"

    def test_a_resumed_run_uses_what_it_has(
        self, prepare: Prepare, task: Task, artifacts: Path, tiny_corpus: Path, tmp_path: Path
    ) -> None:
        """As in the contract, with further rows that are rows of a table."""
        before = content_of(artifacts)
        with (tiny_corpus / "train.tsv").open("a", encoding="utf-8") as file:
            file.write(self.more_rows)
        again = prepare(artifacts, new_folder(tmp_path / "other-cache"))

        assert content_of(artifacts) == before
        assert again.model_spec == task.model_spec


class TestPair(TestSingleLabel):
    """A text and its translation, with bos before them; answers are objects."""

    settings = {
        **TestSingleLabel.settings, "columns": ["text", "other", "label"], "text_pair_column": "other",
        "prepend_bos": True, "prediction": {"format": "json"},
    }  # fmt: skip
    lines = ("one\teins", "red dog\trot", "", "two\tzwei", "house\tHaus Haus Haus", "\tvier")
    more_rows = "quite another\ttext\te\n" * 9

    def cells(self, text: str, other: str) -> str:
        return f"{text}\t{other}\t{other[0].lower()}"


class TestSeveralLabels(TestSingleLabel):
    """The first letters of all words."""

    settings = {**TestSingleLabel.settings, "kind": "multi"}

    def cells(self, text: str, other: str) -> str:
        return f"{text}\t{','.join(word[0].lower() for word in other.split())}"


class TestNumbers(TestSingleLabel):
    """The length of the German text, negative."""

    settings = {**TestSingleLabel.settings, "kind": "regression"}
    more_rows = "quite another text\t-4.5\n" * 9

    def cells(self, text: str, other: str) -> str:
        return f"{text}\t-{len(other)}"
