"""Parallel text of which a tokenizer draws splits: which sides, and which splits of the data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqtrain.config.standalone import resolve_component
from seqtrain.protocols import Dataset, VariesByEpoch
from seqtrain.task import Task
from seqtrain_testing.registry import RegistryBuilder

WORDS = "one two three four five six seven eight nine ten eleven twelve".split()
Prepare = Callable[..., Task]


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """A function that prepares a task on two training corpora, with a dropout and further settings."""
    draw = np.random.default_rng(1)
    for split in ("train", "more", "valid", "test"):
        lines = [" ".join(draw.choice(WORDS, draw.integers(2, 8))) for _ in range(40)]
        for language in ("en", "de"):
            (tmp_path / f"{split}.{language}").write_text("".join(f"{language} {line}\n" for line in lines))
    registry = RegistryBuilder.with_everything_installed().registry

    def prepare(dropout: float, **further: Any) -> Task:
        settings = {
            "train": [str(tmp_path / "train"), {"path": str(tmp_path / "more"), "weight": 2.0}],
            "valid": str(tmp_path / "valid"),
            "test": str(tmp_path / "test"),
            "source_lang": "en",
            "target_lang": "de",
            "tokenizer": {"name": "bpe", "vocab_size": 80, "dropout": dropout},
            **further,
        }
        task: Task = registry.build(resolve_component(registry, "task", "translation", settings))
        artifacts = tmp_path / "artifacts"
        artifacts.mkdir(exist_ok=True)
        task.prepare(artifacts, tmp_path / "cache")
        return task

    return prepare


def sides(dataset: Dataset) -> tuple[list[list[int]], list[list[int]]]:
    """Return all rows of both sides, without padding."""
    batch = dataset.collate(np.arange(len(dataset)))
    both = (batch.net_input["source_tokens"], batch.target)
    return tuple([row[row != 0].tolist() for row in side] for side in both)  # type: ignore[return-value]


def at(dataset: Dataset, epoch: int) -> Dataset:
    assert isinstance(dataset, VariesByEpoch)
    return dataset.at_epoch(epoch, seed=1, max_tokens=None)


@pytest.mark.parametrize(("drawn", "changes"), [("both", [1, 1]), ("source", [1, 0]), ("target", [0, 1])])
def test_the_sides_that_are_asked_for_change(prepare: Prepare, drawn: str, changes: list[int]) -> None:
    """The others are as they always were; weights and places stay, and so does what a row says."""
    task = prepare(0.3, drawn_sides=drawn)
    dataset = task.dataset("train")
    usual, first, second = sides(dataset), sides(at(dataset, 1)), sides(at(dataset, 2))

    assert [int(a != b) for a, b in zip(usual, first, strict=True)] == changes
    assert [int(a != b) for a, b in zip(first, second, strict=True)] == changes
    assert [part.weight for part in at(dataset, 1).parts] == [1.0, 2.0]
    assert at(dataset, 1).describe(41) == dataset.describe(41)


def test_validation_and_test_sets_stay(prepare: Prepare) -> None:
    """They are what they are without dropout, fingerprints included; and so is training without it."""
    some, none, unset = prepare(0.3), prepare(0), prepare(0, drawn_sides="source")
    for split in ("valid", "test"):
        assert not isinstance(some.dataset(split), VariesByEpoch)
        assert some.dataset(split).fingerprint == none.dataset(split).fingerprint
        assert sides(some.dataset(split)) == sides(none.dataset(split))

    assert not isinstance(none.dataset("train"), VariesByEpoch)
    assert sides(some.dataset("train")) == sides(none.dataset("train"))
    assert some.dataset("train").fingerprint != none.dataset("train").fingerprint
    assert none.dataset("train").fingerprint == unset.dataset("train").fingerprint


def test_the_fingerprint_tells_the_sides(prepare: Prepare) -> None:
    """A run with other sides is another run; the same settings are the same, whatever epoch was last."""
    found = {drawn: prepare(0.3, drawn_sides=drawn).dataset("train") for drawn in ("both", "source", "target")}
    at(found["both"], 3)

    assert len({each.fingerprint for each in found.values()}) == 3
    assert found["both"].fingerprint == prepare(0.3).dataset("train").fingerprint
