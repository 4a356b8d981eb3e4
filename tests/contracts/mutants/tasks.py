"""Tasks: one without a mistake, and others that differ from it in one respect."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mutants.configs import WordTaskConfig
from mutants.mutant import Mutants
from seqtrain.api import Batch, DatasetPart, ModelSpec, NamedIds, Task
from seqtrain_testing.contracts import TaskContract

UNKNOWN, PADDING, BOS, EOS = range(4)


def pad(rows: Sequence[Sequence[int]], padding: int) -> Tensor:
    """Put rows side by side."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[padding] * (width - len(row))] for row in rows])


class Pairs:
    """Pairs of lines, as ids."""

    def __init__(self, name: str, pairs: list[list[list[int]]], padding: int) -> None:
        self._name, self._pairs, self._padding = name, pairs, padding
        self.parts = [DatasetPart(0, len(pairs))]
        self.fingerprint = hashlib.sha256(self._identity()).hexdigest()

    def _identity(self) -> bytes:
        return json.dumps(self._pairs).encode()

    def __len__(self) -> int:
        return len(self._pairs)

    def lengths(self, start: int, stop: int) -> Any:
        """Count tokens."""
        return np.array([[len(side) for side in pair] for pair in self._pairs[start:stop]])

    def collate(self, indices: Any) -> Batch:
        """Make a batch."""
        sources, targets = zip(*self._chosen(indices), strict=True)
        source, target = pad(sources, self._padding), pad(targets, self._padding)
        longer, rows = max((source, sources), (target, targets), key=lambda side: side[0].shape[1])
        previous = pad([[BOS, *row[:-1]] for row in targets], self._padding)
        return Batch(
            ids=torch.tensor(indices),
            net_input={"source_tokens": source, "prev_output_tokens": previous},
            target=target,
            num_targets=sum(map(len, targets)),
            num_tokens=sum(map(len, rows)),
            num_positions=longer.numel(),
        )

    def _chosen(self, indices: Any) -> list[list[list[int]]]:
        return [self._pairs[i] for i in indices]

    def describe(self, index: int) -> str:
        """Name a line."""
        return f"{self._name}:{index + 1}"


class WordTaskContract(TaskContract):
    """What these tasks read."""

    most_read = 5

    @pytest.fixture
    def task_settings(self, tiny_corpus: Path) -> dict[str, str]:
        """A corpus of a test's own."""
        return {"folder": str(tiny_corpus)}


tasks = Mutants(WordTaskContract, config="mutants.configs:WordTaskConfig", recipe="seqtrain_testing:toy_recipe.yaml")


@tasks.caught_by()
class WordTask(Task):
    """Words of one language to words of another."""

    higher_is_better = frozenset({"right"})
    padding = PADDING
    dataset_type: type[Pairs] = Pairs

    def __init__(self, config: WordTaskConfig) -> None:
        self._folder, self._words, self._data = Path(config.folder), [], {}

    def _lines(self, split: str, language: str) -> list[str]:
        return (self._folder / f"{split}.{language}").read_text("utf-8").splitlines()

    def _words_file(self, artifacts: Path, cache: Path) -> Path:
        return artifacts / "words.json"

    def prepare(self, artifacts: Path, cache: Path) -> None:
        """Take the words, or those that are there."""
        cache.mkdir(parents=True, exist_ok=True)
        file = self._words_file(artifacts, cache)
        if not file.exists():
            lines = (line for language in ("en", "de") for line in self._lines("train", language))
            found = {word for line in lines for word in line.split()}
            file.write_text(json.dumps(["<unk>", "<pad>", "<s>", "</s>", *sorted(found)]))
        self.load(artifacts, cache)
        for split in self.splits():
            self.dataset(split)

    def load(self, artifacts: Path, cache: Path) -> None:
        """Read the words."""
        self._words = json.loads(self._words_file(artifacts, cache).read_text())

    def _encode(self, line: str) -> list[int]:
        ids = {word: index for index, word in enumerate(self._words)}
        return [*(ids.get(word, UNKNOWN) for word in line.split()), EOS]

    @property
    def model_spec(self) -> ModelSpec:
        """Sizes."""
        size = len(self._words)
        return ModelSpec(
            vocab_size=size, source_vocab_size=size, padding=PADDING, max_positions=64, max_source_positions=64
        )

    def vocabularies(self) -> dict[str, NamedIds]:
        """Name the words."""
        ids = NamedIds(names=self._words, roles={"padding": PADDING, "eos": EOS})
        return {"source": ids, "target": ids}

    def splits(self) -> list[str]:
        """Name the splits."""
        return ["train", "valid"]

    def dataset(self, split: str) -> Pairs:
        """Read a split."""
        if split not in self._data:
            pairs = zip(self._lines(split, "en"), self._lines(split, "de"), strict=True)
            ids = [[self._encode(one), self._encode(other)] for one, other in pairs]
            self._data[split] = self.dataset_type(split, ids, self.padding)
        return self._data[split]

    def measure(self, split: str, models: Sequence[Any]) -> dict[str, float]:
        """Count words that are right."""
        batch = self.dataset(split).collate(np.arange(4))
        return {"right": float((self._best(models, batch.net_input) == batch.target).float().mean())}

    @torch.no_grad()
    def _best(self, models: Sequence[Any], net_input: Any) -> Tensor:
        return models[0](**net_input).argmax(-1)

    def predict(self, models: Sequence[Any], lines: Iterable[str]) -> Iterator[str]:
        """Say a word for each word."""
        remaining = iter(lines)
        while buffer := list(islice(remaining, 4)):
            source = pad([self._encode(line) for line in buffer], self.padding)
            best = self._best(models, {"source_tokens": source, "prev_output_tokens": source})
            for line, row in self._answers(buffer, best.tolist()):
                yield " ".join(self._words[i] for i in row[: len(line.split())])

    def _answers(self, buffer: list[str], rows: list[list[int]]) -> list[tuple[str, list[int]]]:
        return list(zip(buffer, rows, strict=True))


# --- datasets


class PaddingAmongTheTargets(Pairs):
    def collate(self, indices: Any) -> Batch:
        batch = super().collate(indices)
        return replace(batch, num_targets=batch.target.numel())


@tasks.caught_by("test_counts_of_a_batch_are_true")
class CountsPaddingAmongTheTargets(WordTask):
    """A mean would be too small."""

    dataset_type = PaddingAmongTheTargets


class PaddingAmongTheTokens(Pairs):
    def collate(self, indices: Any) -> Batch:
        batch = super().collate(indices)
        return replace(batch, num_tokens=batch.num_positions)


@tasks.caught_by("test_counts_of_a_batch_are_true")
class CountsPaddingAmongTheTokens(WordTask):
    """Seems faster than it is."""

    dataset_type = PaddingAmongTheTokens


@tasks.caught_by(
    "test_counts_of_a_batch_are_true",
    "test_other_examples_of_a_batch_add_nothing_but_padding",
    "test_predictions_are_in_order",
)
class PadsWithAnotherIdThanItTells(WordTask):
    """Models take it for a word."""

    padding = UNKNOWN


class SortedByLength(Pairs):
    def _chosen(self, indices: Any) -> list[list[list[int]]]:
        return sorted(super()._chosen(indices), key=lambda pair: len(pair[0]))


@tasks.caught_by(
    "test_a_batch_in_another_order_has_the_same_rows", "test_other_examples_of_a_batch_add_nothing_but_padding"
)
class SortsABatchByLength(WordTask):
    """Rows are not those of the ids."""

    dataset_type = SortedByLength


class NumberedRows(Pairs):
    def collate(self, indices: Any) -> Batch:
        return replace(super().collate(indices), ids=torch.arange(len(indices)))


@tasks.caught_by("test_a_batch_has_a_row_for_each_example")
class NumbersTheRowsOfABatch(WordTask):
    """Instead of naming examples."""

    dataset_type = NumberedRows


class LengthsWithoutTheEnd(Pairs):
    def lengths(self, start: int, stop: int) -> Any:
        return super().lengths(start, stop) - 1


@tasks.caught_by("test_lengths_are_those_of_the_batches", "test_counts_of_a_batch_are_true")
class PlansWithoutTheEndOfASentence(WordTask):
    """Batches are larger than planned."""

    dataset_type = LengthsWithoutTheEnd


class LengthsFromTheFirst(Pairs):
    def lengths(self, start: int, stop: int) -> Any:
        return super().lengths(0, stop - start)


@tasks.caught_by("test_lengths_are_those_of_the_batches", "test_counts_of_a_batch_are_true")
class LengthsForgetWhereTheyStart(WordTask):
    """Those of the first lines, every time."""

    dataset_type = LengthsFromTheFirst


class ShortPart(Pairs):
    def __init__(self, name: str, pairs: list[list[list[int]]], padding: int) -> None:
        super().__init__(name, pairs, padding)
        self.parts = [DatasetPart(0, len(pairs) - 1)]


@tasks.caught_by("test_parts_cover_a_dataset")
class APartTooShort(WordTask):
    """The last line is never seen."""

    dataset_type = ShortPart


class IdentityOfTheName(Pairs):
    def _identity(self) -> bytes:
        return self._name.encode()


@tasks.caught_by("test_other_data_has_another_fingerprint")
class AFingerprintOfTheFilesName(WordTask):
    """Other text in it goes unnoticed."""

    dataset_type = IdentityOfTheName


class IdentityOfTheClock(Pairs):
    def _identity(self) -> bytes:
        return str(time.time_ns()).encode()


@tasks.caught_by(
    "test_equal_data_has_an_equal_fingerprint",
    "test_an_interrupted_run_goes_on_to_the_bit",
    "test_the_same_run_ends_the_same",
)
class AFingerprintOfTheClock(WordTask):
    """No run could go on."""

    dataset_type = IdentityOfTheClock


class NoIdentity(Pairs):
    def _identity(self) -> bytes:
        return b"data"


@tasks.caught_by("test_equal_data_has_an_equal_fingerprint", "test_other_data_has_another_fingerprint")
class OneFingerprintForAll(WordTask):
    """Splits are alike."""

    dataset_type = NoIdentity


class OneDescription(Pairs):
    def describe(self, index: int) -> str:
        return self._name


@tasks.caught_by("test_an_example_can_be_found")
class SaysTheSameOfAllExamples(WordTask):
    """Somewhere in the file."""

    dataset_type = OneDescription


class ShuffledSources(Pairs):
    def _chosen(self, indices: Any) -> list[list[list[int]]]:
        draw = np.random.default_rng()
        return [[draw.permutation(source).tolist(), target] for source, target in super()._chosen(indices)]


@tasks.caught_by(
    "test_a_batch_in_another_order_has_the_same_rows",
    "test_other_examples_of_a_batch_add_nothing_but_padding",
    "test_the_same_run_ends_the_same",
    "test_an_interrupted_run_goes_on_to_the_bit",
)
class ShufflesWordsByChance(WordTask):
    """With a seed that nobody knows."""

    dataset_type = ShuffledSources


# --- tasks


@tasks.caught_by("test_a_resumed_run_uses_what_it_has")
class LearnsItsWordsAnewInAResumedRun(WordTask):
    """Ids may be others then."""

    def prepare(self, artifacts: Path, cache: Path) -> None:
        """Take the words, whatever is there."""
        self._words_file(artifacts, cache).unlink(missing_ok=True)
        super().prepare(artifacts, cache)


@tasks.caught_by("test_a_resumed_run_uses_what_it_has", "test_it_loads_from_the_run_folder_alone")
class KeepsItsWordsInTheCache(WordTask):
    """Which anybody may delete."""

    def _words_file(self, artifacts: Path, cache: Path) -> Path:
        return cache / "words.json"


@tasks.caught_by("test_it_loads_from_the_run_folder_alone", "test_predictions_are_the_same_without_the_corpus")
class NeedsTheCorpusToLoad(WordTask):
    """Far from where it was trained, it is lost."""

    def load(self, artifacts: Path, cache: Path) -> None:
        """Read the words, and look at the corpus."""
        self._lines("train", "en")
        super().load(artifacts, cache)


@tasks.caught_by("test_examples_fit_what_the_model_is_told")
class PromisesShorterSentencesThanThereAre(WordTask):
    """A model's tables would be too short."""

    @property
    def model_spec(self) -> ModelSpec:
        """Sizes, too small."""
        return replace(super().model_spec, max_positions=4, max_source_positions=4)


@tasks.caught_by("test_its_vocabularies_are_those_of_its_models")
class NamesTooFewIds(WordTask):
    """Leaves special ones out."""

    def vocabularies(self) -> dict[str, NamedIds]:
        """Name some of the words."""
        ids = NamedIds(names=self._words[4:], roles={"padding": PADDING, "eos": EOS})
        return {"source": ids, "target": ids}


@tasks.caught_by("test_its_vocabularies_are_those_of_its_models")
class NamesAnotherIdForPadding(WordTask):
    """Than its models know."""

    def vocabularies(self) -> dict[str, NamedIds]:
        """Name the words."""
        ids = NamedIds(names=self._words, roles={"padding": EOS, "eos": EOS})
        return {"source": ids, "target": ids}


@tasks.caught_by("test_splits_are_named_in_order")
class NamesValidationFirst(WordTask):
    """It would be trained on."""

    def splits(self) -> list[str]:
        """Name the splits."""
        return ["valid", "train"]


@tasks.caught_by("test_measures_are_finite_and_the_same_every_time")
class MeasuresByChance(WordTask):
    """Sometimes better."""

    def measure(self, split: str, models: Sequence[Any]) -> dict[str, float]:
        """Count words, and add something."""
        return {"right": np.random.default_rng().random() + super().measure(split, models)["right"]}


@tasks.caught_by("test_measures_are_finite_and_the_same_every_time")
class LeavesTheModelChangedAfterMeasuring(WordTask):
    """Training would go on with it."""

    def measure(self, split: str, models: Sequence[Any]) -> dict[str, float]:
        """Count words of another model."""
        models[0].embedding.weight.data += 0.1
        return super().measure(split, models)


@tasks.caught_by("test_better_measures_are_measured")
class DoesNotMeasureWhatItSaysIsBetter(WordTask):
    """By that name."""

    def measure(self, split: str, models: Sequence[Any]) -> dict[str, float]:
        """Count words that are right."""
        return {"correct": super().measure(split, models)["right"]}


@tasks.caught_by("test_a_line_comes_out_for_each_that_goes_in")
class SkipsEmptyLines(WordTask):
    """Lines shift."""

    def predict(self, models: Sequence[Any], lines: Iterable[str]) -> Iterator[str]:
        """Say a word for each word."""
        yield from super().predict(models, filter(None, lines))


@tasks.caught_by("test_predictions_are_in_order")
class AnswersInTheOrderOfLength(WordTask):
    """As it may compute, but not answer."""

    def _answers(self, buffer: list[str], rows: list[list[int]]) -> list[tuple[str, list[int]]]:
        return sorted(super()._answers(buffer, rows), key=lambda each: len(each[0]))


@tasks.caught_by("test_predicting_reads_no_further_than_a_buffer")
class ReadsAllInputBeforeItAnswers(WordTask):
    """A terminal would wait for ever."""

    def predict(self, models: Sequence[Any], lines: Iterable[str]) -> Iterator[str]:
        """Say a word for each word, in the end."""
        yield from super().predict(models, list(lines))


MUTANTS = tasks
