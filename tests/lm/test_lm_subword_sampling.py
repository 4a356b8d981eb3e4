"""Language models of text that is split anew every epoch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqtrain.config.standalone import resolve_component
from seqtrain.protocols import VariesByEpoch
from seqtrain.task import Task
from seqtrain_testing.registry import RegistryBuilder

WORDS = "one two three four five six seven eight nine ten eleven twelve".split()


@pytest.fixture
def prepare(tmp_path: Path) -> Callable[..., Task]:
    """A function that prepares a task with a tokenizer's further settings."""
    draw = np.random.default_rng(1)
    for split in ("train", "valid"):
        lines = [" ".join(draw.choice(WORDS, draw.integers(2, 30))) for _ in range(40)]
        (tmp_path / f"{split}.txt").write_text("".join(f"{line}\n" for line in lines))
    registry = RegistryBuilder.with_everything_installed().registry

    def prepare(name: str, artifacts: str = "artifacts", **further: Any) -> Task:
        settings = {
            "train": str(tmp_path / "train.txt"),
            "valid": str(tmp_path / "valid.txt"),
            "tokens_per_sample": 16,
            "tokenizer": {"name": name, "vocab_size": 60, **further},
        }
        task: Task = registry.build(resolve_component(registry, "task", "lm", settings))
        (tmp_path / artifacts).mkdir(exist_ok=True)
        task.prepare(tmp_path / artifacts, tmp_path / "cache")
        return task

    return prepare


@pytest.mark.parametrize(("name", "further"), [("bpe", {"dropout": 0.3}), ("unigram", {"sampling_alpha": 0.2})])
def test_blocks_are_cut_from_text_that_is_split_anew(
    prepare: Callable[..., Task], name: str, further: dict[str, float]
) -> None:
    """Blocks keep their size, epochs differ and come back; lines longer than a batch are drawn like others."""
    task, plain = prepare(name, **further), prepare(name)
    dataset = task.dataset("train")
    assert isinstance(dataset, VariesByEpoch)
    epochs = [dataset.at_epoch(epoch, seed=1, max_tokens=16) for epoch in (1, 2, 1)]
    first, second, again = (
        [tuple(each.collate(np.array([i])).target[0].tolist()) for i in range(20)] for each in epochs
    )

    assert first == again
    assert all(a != b for a, b in zip(first, second, strict=True))
    assert all(len(each) > len(plain.dataset("train")) for each in epochs)
    assert int(epochs[0].lengths(0, len(epochs[0])).max()) == 16
    assert (
        dataset.collate(np.array([3])).target.tolist() == plain.dataset("train").collate(np.array([3])).target.tolist()
    )
    assert task.dataset("valid").fingerprint == plain.dataset("valid").fingerprint
    assert not isinstance(task.dataset("valid"), VariesByEpoch)
