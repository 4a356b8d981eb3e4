"""Labelled texts that are split anew every epoch keep their labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqtrain.config.standalone import resolve_component
from seqtrain.protocols import VariesByEpoch
from seqtrain.task import Task
from seqtrain_testing.registry import RegistryBuilder

WORDS = "one two three four five six seven eight nine ten eleven twelve".split()
LONGEST = 30


@pytest.mark.parametrize("too_long", ["truncate", "skip"])
@pytest.mark.parametrize("is_pair", [False, True])
def test_rows_are_split_anew_and_keep_their_labels(tmp_path: Path, is_pair: bool, too_long: str) -> None:
    """Epochs differ and come back; a row that drawing would make too long is split as without."""
    draw = np.random.default_rng(1)
    for split in ("train", "valid"):
        rows = [
            [f"L{i % 3}", *(" ".join(draw.choice(WORDS, draw.integers(1, 4))) for _ in range(2))] for i in range(40)
        ]
        (tmp_path / f"{split}.tsv").write_text(
            "".join("\t".join(row) + "\n" for row in [["label", "text", "two"], *rows])
        )
    registry = RegistryBuilder.with_everything_installed().registry

    def prepare(dropout: float) -> Task:
        settings: dict[str, Any] = {
            "train": str(tmp_path / "train.tsv"),
            "valid": str(tmp_path / "valid.tsv"),
            "max_length": LONGEST,
            "too_long": too_long,
            "tokenizer": {"name": "bpe", "vocab_size": 60, "dropout": dropout},
            **({"text_pair_column": "two"} if is_pair else {}),
        }
        task: Task = registry.build(resolve_component(registry, "task", "classify", settings))
        (tmp_path / "artifacts").mkdir(exist_ok=True)
        task.prepare(tmp_path / "artifacts", tmp_path / "cache")
        return task

    task, plain = prepare(0.5), prepare(0)
    dataset, usual = task.dataset("train"), plain.dataset("train")
    assert isinstance(dataset, VariesByEpoch)
    assert not isinstance(usual, VariesByEpoch)
    epochs = [dataset.at_epoch(epoch, seed=1, max_tokens=None) for epoch in (1, 2, 1)]
    everything = np.arange(len(usual))
    first, second, again = (each.collate(everything) for each in epochs)

    assert [len(each) for each in epochs] == [len(usual)] * 3
    assert first.net_input["tokens"].tolist() == again.net_input["tokens"].tolist()
    assert first.net_input["tokens"].tolist() != second.net_input["tokens"].tolist()
    assert first.target.tolist() == second.target.tolist() == usual.collate(everything).target.tolist()
    assert max(int(each.lengths(0, len(usual)).max()) for each in epochs) <= LONGEST
    assert [epochs[0].describe(i) for i in range(9)] == [usual.describe(i) for i in range(9)]
    assert dataset.collate(everything).net_input["tokens"].tolist() == (
        usual.collate(everything).net_input["tokens"].tolist()
    )
    assert task.dataset("valid").fingerprint == plain.dataset("valid").fingerprint
