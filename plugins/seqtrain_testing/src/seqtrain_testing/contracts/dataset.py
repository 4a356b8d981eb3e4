"""What holds for the data of every task: how it is prepared, and the batches it gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqtrain.batch import Batch
from seqtrain.config.option import Selection
from seqtrain.protocols import Dataset
from seqtrain.registry.registry import Registry
from seqtrain.task import Task
from seqtrain_testing.contracts.component import words_of
from seqtrain_testing.contracts.training import TrainedComponentContract

Prepare: TypeAlias = Callable[[Path, Path], Task]

_TINY = (
    "data.max_sentences=4", "data.prefetch=0", "trainer.max_epochs=null", "trainer.patience=null",
    "trainer.validate={steps: 4}", "checkpoint.save={steps: 2}", "checkpoint.keep_last=100", "logging.every={steps: 1}",
    "logging.level=warning", "logging.progress=plain", "distributed.device=cpu", "trackers={}",
)  # fmt: skip


class DatasetContract(TrainedComponentContract):
    """A part of `TaskContract`: batches are what was planned, and what the model is told."""

    kind = "task"
    run_overrides: ClassVar[Sequence[str]] = ()

    @pytest.fixture
    def task_settings(self, tiny_corpus: Path) -> Mapping[str, Any]:
        """Fields of its config beyond `settings`."""
        return {}

    @pytest.fixture
    def given(self, task_settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """All fields that are set."""
        return {**self.settings, **task_settings}

    @pytest.fixture
    def run_settings(self, given: Mapping[str, Any]) -> list[str]:
        """What makes a tiny run by the task's recipe."""
        return [*words_of("task", {"name": self.name, **given}), *_TINY, *self.run_overrides]

    @pytest.fixture
    def artifacts(self, tmp_path: Path) -> Path:
        """RUN/task, empty."""
        return new_folder(tmp_path / "run" / "task")

    @pytest.fixture
    def cache(self, tmp_path: Path) -> Path:
        """Where the task may keep what can be made again."""
        return new_folder(tmp_path / "cache")

    @pytest.fixture
    def prepare(self, registry: Registry, selection: Selection) -> Prepare:
        """A function that makes and prepares a task."""

        def prepare(artifacts: Path, cache: Path) -> Task:
            task = self.build(registry, selection)
            assert isinstance(task, Task)
            task.prepare(artifacts, cache)
            return task

        return prepare

    @pytest.fixture
    def task(self, prepare: Prepare, artifacts: Path, cache: Path) -> Task:
        """The task, prepared."""
        return prepare(artifacts, cache)

    @pytest.fixture
    def dataset(self, task: Task) -> Dataset:
        """The examples to train on."""
        return task.dataset("train")

    def test_parts_cover_a_dataset(self, task: Task) -> None:
        """They follow each other from the first example to the last, and each has a weight."""
        for split in task.splits():
            parts = task.dataset(split).parts
            stops = [part.stop for part in parts]

            assert [part.start for part in parts] == [0, *stops[:-1]]
            assert stops[-1] == len(task.dataset(split))
            assert [part for part in parts if not 0 < part.weight < math.inf] == []

    def test_lengths_are_those_of_the_batches(self, dataset: Dataset) -> None:
        """Alone in a batch, an example has as many tokens as planned; asked for in pieces, lengths are the same."""
        count = min(len(dataset), 20)
        lengths = dataset.lengths(0, count)
        alone = [dataset.collate(np.array([index])).num_tokens for index in range(count)]

        assert lengths.shape in ((count, 1), (count, 2))
        assert lengths.max(1).tolist() == alone
        assert np.concatenate([dataset.lengths(0, 3), dataset.lengths(3, count)]).tolist() == lengths.tolist()

    def test_a_batch_has_a_row_for_each_example(self, dataset: Dataset) -> None:
        """Its ids are the indices asked for, in their order, and every tensor has as many rows."""
        chosen = some_indices(dataset)
        batch = dataset.collate(chosen)

        assert batch.ids.tolist() == chosen.tolist()
        assert [name for name, each in tensors(batch).items() if len(each) != len(chosen)] == []

    def test_counts_of_a_batch_are_true(self, task: Task, dataset: Dataset) -> None:
        """Neither targets nor tokens count padding; positions do, those of the longer side."""
        for chosen in (some_indices(dataset), some_indices(dataset)[:1]):
            batch, lengths = dataset.collate(chosen), np.stack([dataset.lengths(i, i + 1)[0] for i in chosen])
            sides = np.flatnonzero(lengths.max(0) == lengths.max())
            # Labels and numbers are one target each, and so are the several labels of a row, which are floats.
            is_tokens = batch.target.dim() == 2 and not batch.target.is_floating_point()
            real = int((batch.target != task.model_spec.padding).sum()) if is_tokens else len(batch)

            assert batch.num_targets == real
            assert batch.num_source_tokens in {None, int(lengths[:, 0].sum())}
            assert batch.num_tokens in lengths.sum(0)[sides]
            assert batch.num_positions in {
                each.shape[0] * each.shape[1] for each in tensors(batch).values() if each.dim() > 1
            }
            assert batch.num_positions >= len(batch) * lengths.max()

    def test_a_batch_in_another_order_has_the_same_rows(self, dataset: Dataset) -> None:
        """Rows follow the indices, whatever their order."""
        chosen = some_indices(dataset)
        order = np.random.default_rng(2).permutation(len(chosen))
        rows, turned = tensors(dataset.collate(chosen)), tensors(dataset.collate(chosen[order]))

        assert [name for name in rows if not torch.equal(rows[name][order], turned[name])] == []

    def test_other_examples_of_a_batch_add_nothing_but_padding(self, task: Task, dataset: Dataset) -> None:
        """A row is what the example is alone, then the padding id that the model is told of."""
        chosen = some_indices(dataset)
        together = self.token_rows(dataset.collate(chosen))
        for row, index in enumerate(chosen):
            for name, alone in self.token_rows(dataset.collate(np.array([index]))).items():
                width = alone.shape[1]

                assert (name, together[name][row, :width].tolist()) == (name, alone[0].tolist())
                assert set(together[name][row, width:].tolist()) <= {task.model_spec.padding}

    def token_rows(self, batch: Batch) -> dict[str, Tensor]:
        """Return the tensors of token ids, (B, T); override this where others are of int64, too."""
        return {name: each for name, each in tensors(batch).items() if each.dim() == 2 and each.dtype == torch.int64}

    def test_examples_fit_what_the_model_is_told(self, task: Task) -> None:
        """In every split, ids and labels are below their number, and nothing is longer than the model's positions."""
        spec = task.model_spec
        largest = max(spec.vocab_size, spec.source_vocab_size or 0)
        for split in task.splits():
            batch = task.dataset(split).collate(some_indices(task.dataset(split)))
            rows = self.token_rows(batch)

            if not batch.target.is_floating_point():
                assert int(batch.target.min()) >= 0
                assert int(batch.target.max()) < (spec.num_classes or spec.vocab_size)
            assert [name for name, each in rows.items() if not 0 <= int(each.min()) <= int(each.max()) < largest] == []
            assert max(each.shape[1] for each in rows.values()) <= max(
                spec.max_positions, spec.max_source_positions or 0
            )

    def test_an_example_can_be_found(self, task: Task) -> None:
        """Its description is one line, and says where it comes from: no two examples have the same."""
        for split in task.splits():
            dataset = task.dataset(split)
            places = [dataset.describe(index) for index in range(min(len(dataset), 20))]

            assert [place for place in places if not place.strip() or "\n" in place] == []
            assert len(set(places)) == len(places)


def some_indices(dataset: Dataset) -> NDArray[np.int64]:
    """Return a few indices, in no order; the last example is among them."""
    rng = np.random.default_rng(1)
    others = rng.permutation(len(dataset) - 1)[:6]
    return np.append(others, len(dataset) - 1).astype(np.int64)


def tensors(batch: Batch) -> dict[str, Tensor]:
    """Return all tensors of a batch by name."""
    return {**batch.net_input, "target": batch.target}


def new_folder(path: Path) -> Path:
    """Make a folder and those above it."""
    path.mkdir(parents=True)
    return path
