"""What holds for every task."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from seqtrain.config.option import Selection
from seqtrain.inference.load import TrainedRun
from seqtrain.registry.registry import Registry
from seqtrain.run.compare import differing, leaves
from seqtrain.task import Task
from seqtrain_testing.contracts.content import content_of
from seqtrain_testing.contracts.dataset import DatasetContract, Prepare, new_folder
from seqtrain_testing.runs import RunMaker

_SPLIT = re.compile(r"(train|valid(/[\w.-]+)?|test(/[\w.-]+)?)")


class TaskContract(DatasetContract):
    """
    A task prepares data, gives true batches, and predicts line by line from what it has left in the run's folder.

    What only a fixture knows, such as where `tiny_corpus` lies, comes from `task_settings`. `run_overrides` makes the
    model of the task's recipe tiny, as `key=value`. `lines` is what it predicts from; `most_read` is how many lines it
    may read before it answers the first.
    """

    lines: ClassVar[Sequence[str]] = ("one two three", "red", "", "dog cat", "the house is blue", "two")
    most_read: ClassVar[int] = 1024

    @pytest.fixture
    def run(self, make_run: RunMaker, run_settings: list[str]) -> TrainedRun:
        """A run of one update, with weights that make a difference between inputs."""
        make_run(*run_settings, steps=1)
        return shaken(make_run.load(*run_settings))

    def test_splits_are_named_in_order(self, task: Task) -> None:
        """First "train", then "valid" or "valid/NAME", then tests; no name comes twice, and none is empty."""
        splits = list(task.splits())
        order = [
            ("train", "valid", "test").index(split.partition("/")[0]) for split in splits if _SPLIT.fullmatch(split)
        ]

        assert order[0] == 0
        assert order.count(0) == 1
        assert len(order) == len(set(splits)) == len(splits)
        assert order == sorted(order)
        assert [split for split in splits if len(task.dataset(split)) == 0] == []

    def test_a_resumed_run_uses_what_it_has(
        self, prepare: Prepare, task: Task, artifacts: Path, tiny_corpus: Path, tmp_path: Path
    ) -> None:
        """With the cache gone and new words in the corpus, what the first start left is not made anew."""
        before = content_of(artifacts)
        for path in tiny_corpus.glob("train*"):
            path.write_text(path.read_text(encoding="utf-8") + "quite another text\n" * 9, encoding="utf-8")
        again = prepare(artifacts, new_folder(tmp_path / "other-cache"))

        assert content_of(artifacts) == before
        assert again.model_spec == task.model_spec

    def test_it_loads_from_the_run_folder_alone(
        self, registry: Registry, selection: Selection, task: Task, artifacts: Path, cache: Path, tiny_corpus: Path
    ) -> None:
        """With the corpus and the cache gone, and the folder moved, a new task is told the same of the data."""
        for folder in (tiny_corpus, cache):
            shutil.rmtree(folder)
        moved = artifacts.rename(artifacts.with_name("moved"))
        loaded: Task = self.build(registry, selection)
        loaded.load(moved, cache)

        assert loaded.model_spec == task.model_spec
        assert loaded.vocabularies() == task.vocabularies()

    def test_what_became_of_its_data_can_be_written_down(self, task: Task) -> None:
        """As JSON, for each split."""
        for split in task.splits():
            found = [dict(each) for each in task.describe_data(split)]
            assert json.loads(json.dumps(found)) == found

    def test_its_vocabularies_are_those_of_its_models(self, task: Task) -> None:
        """Where it names ids, each that a model has rows for has one name, and roles are ids among them."""
        spec = task.model_spec
        sizes = {"target": spec.vocab_size, "source": spec.source_vocab_size, "classes": spec.num_classes}
        for key, ids in task.vocabularies().items():
            assert sizes.get(key, len(ids.names)) == len(ids.names)
            assert [role for role, number in ids.roles.items() if not 0 <= number < len(ids.names)] == []
            assert key == "classes" or ids.roles.get("padding", spec.padding) == spec.padding

    def test_equal_data_has_an_equal_fingerprint(
        self, prepare: Prepare, task: Task, artifacts: Path, tmp_path: Path
    ) -> None:
        """Resumed, or prepared for another run, the data is recognised; no two splits are taken for one."""
        for number, kept in enumerate((artifacts, new_folder(tmp_path / "other-run" / "task"))):
            other = prepare(kept, new_folder(tmp_path / f"cache-{number}"))

            assert fingerprints(other) == fingerprints(task)
        assert len(set(fingerprints(task).values())) == len(task.splits())

    def test_other_data_has_another_fingerprint(
        self, prepare: Prepare, task: Task, artifacts: Path, cache: Path, tiny_corpus: Path, given: Mapping[str, Any]
    ) -> None:
        """A corpus that was changed is not taken for what lies in the cache."""
        if str(tiny_corpus) not in repr(given):
            pytest.skip("it does not read tiny_corpus")
        before = fingerprints(task)["train"]
        for path in tiny_corpus.glob("train*"):
            path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[::-1]), encoding="utf-8")
        changed = prepare(artifacts, cache)

        assert fingerprints(changed)["train"] != before

    def test_measures_are_finite_and_the_same_every_time(self, run: TrainedRun) -> None:
        """Measuring a split again gives the same numbers, and leaves the model as it is."""
        before = {name: value.clone() for name, value in run.models[0].state_dict().items()}
        for split in [split for split in run.task.splits() if split != "train"]:
            first, second = (dict(run.evaluator.measure(split, run.models)) for _ in range(2))

            assert first == second
            assert [name for name, value in first.items() if not math.isfinite(value)] == []
        assert differing(before, leaves(run.models[0].state_dict())) == []

    def test_better_measures_are_measured(self, run: TrainedRun) -> None:
        """`best_metric`, and what `higher_is_better` names, is measured in validation: it can decide what is best."""
        measured = [set(measures) for measures in run.evaluator.validate(run.models[0]).values()]

        deciding = run.task.higher_is_better | {run.task.best_metric}

        assert [deciding - names for names in measured if deciding - names] == []

    def test_a_line_comes_out_for_each_that_goes_in(self, run: TrainedRun) -> None:
        """Empty ones too; without input there is no output."""
        predicted = list(run.task.predict(run.models, iter(self.lines)))

        assert len(predicted) == len(self.lines)
        assert [line for line in predicted if "\n" in line] == []
        assert list(run.task.predict(run.models, [])) == []

    def test_predictions_are_in_order(self, run: TrainedRun) -> None:
        """Lines that go in the other way round come out the other way round."""
        there, back = (list(run.task.predict(run.models, lines)) for lines in (self.lines, self.lines[::-1]))

        assert back == there[::-1]

    def test_predicting_reads_no_further_than_a_buffer(self, run: TrainedRun) -> None:
        """Input that never ends gets its first answers."""
        predicted = run.task.predict(run.models, self._endless())

        assert isinstance(predicted, Iterator)
        assert len(list(islice(predicted, 2))) == 2

    def _endless(self) -> Iterator[str]:
        for count, line in enumerate(cycle(self.lines)):
            assert count < self.most_read, f"{count} lines were read, and the first is not answered yet"
            yield line

    def test_predictions_are_the_same_without_the_corpus(
        self, make_run: RunMaker, run_settings: list[str], run: TrainedRun, tiny_corpus: Path
    ) -> None:
        """A run that is loaded where its data is gone predicts as before."""
        before = list(run.task.predict(run.models, self.lines))
        shutil.rmtree(tiny_corpus)
        loaded = shaken(make_run.load(*run_settings))

        assert list(loaded.task.predict(loaded.models, self.lines)) == before


def shaken(run: TrainedRun) -> TrainedRun:
    """Change the weights of a run's models, so that they are far from where they began; always in the same way."""
    rng = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for model in run.models:
            for parameter in model.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=rng) / 2)
    return run


def fingerprints(task: Task) -> dict[str, str]:
    """Return the fingerprints of a task's datasets by split."""
    return {split: task.dataset(split).fingerprint for split in task.splits()}
