"""Mistakes that the contract of tasks must catch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

CONFIG = '''
"""Settings."""
from dataclasses import dataclass
from seqtrain.plugin import option

@dataclass(frozen=True, kw_only=True)
class MutantConfig:
    """Settings."""

    folder: str = option("corpus", help="folder with train and valid, each in .en and .de")
'''

TASK = '''
"""Words of one language to words of another."""
import hashlib
import json
from itertools import islice
from pathlib import Path
import numpy as np
import torch
from seqtrain.api import Batch, DatasetPart, ModelSpec, NamedIds, Task

RECORD = {"recipe": "seqtrain_testing:toy_recipe.yaml"}
UNKNOWN, PADDING, BOS, EOS = range(4)


def pad(rows):
    """Put rows side by side."""
    width = max(map(len, rows))
    return torch.tensor([row + [PADDING] * (width - len(row)) for row in rows])


class Data:
    """Pairs of lines."""

    def __init__(self, name, pairs):
        self._name, self._pairs = name, pairs
        self.parts = [DatasetPart(0, len(pairs))]
        self.fingerprint = hashlib.sha256(json.dumps(pairs).encode()).hexdigest()

    def __len__(self):
        return len(self._pairs)

    def lengths(self, start, stop):
        """Count tokens."""
        return np.array([[len(side) for side in pair] for pair in self._pairs[start:stop]])

    def collate(self, indices):
        """Make a batch."""
        sources, targets = zip(*(self._pairs[i] for i in indices))
        source, target = pad(sources), pad(targets)
        longer, rows = max((source, sources), (target, targets), key=lambda side: side[0].shape[1])
        return Batch(
            ids=torch.tensor(indices),
            net_input={"source_tokens": source, "prev_output_tokens": pad([[BOS, *row[:-1]] for row in targets])},
            target=target,
            num_targets=sum(map(len, targets)),
            num_tokens=sum(map(len, rows)),
            num_positions=longer.numel(),
        )

    def describe(self, index):
        """Name a line."""
        return f"{self._name}:{index + 1}"


class Mutant(Task):
    """Words of one language to words of another."""

    higher_is_better = frozenset({"right"})

    def __init__(self, config):
        self._folder, self._words, self._data = Path(config.folder), [], {}

    def _lines(self, split, language):
        return (self._folder / f"{split}.{language}").read_text("utf-8").splitlines()

    def prepare(self, artifacts, cache):
        """Take the words, or those that are there."""
        cache.mkdir(parents=True, exist_ok=True)
        if not (artifacts / "words.json").exists():
            found = {word for language in ("en", "de") for line in self._lines("train", language) for word in line.split()}
            (artifacts / "words.json").write_text(json.dumps(["<unk>", "<pad>", "<s>", "</s>", *sorted(found)]))
        self.load(artifacts, cache)
        for split in self.splits():
            self.dataset(split)

    def load(self, artifacts, cache):
        """Read the words."""
        self._words = json.loads((artifacts / "words.json").read_text())

    def _encode(self, line):
        ids = {word: index for index, word in enumerate(self._words)}
        return [*(ids.get(word, UNKNOWN) for word in line.split()), EOS]

    @property
    def model_spec(self):
        """Sizes."""
        size = len(self._words)
        return ModelSpec(vocab_size=size, source_vocab_size=size, padding=PADDING, max_positions=64, max_source_positions=64)

    def vocabularies(self):
        """Name the words."""
        ids = NamedIds(names=self._words, roles={"padding": PADDING, "eos": EOS})
        return {"source": ids, "target": ids}

    def splits(self):
        """Name the splits."""
        return ["train", "valid"]

    def dataset(self, split):
        """Read a split."""
        if split not in self._data:
            pairs = zip(self._lines(split, "en"), self._lines(split, "de"), strict=True)
            self._data[split] = Data(split, [[self._encode(one), self._encode(other)] for one, other in pairs])
        return self._data[split]

    def measure(self, split, models):
        """Count words that are right."""
        batch = self.dataset(split).collate(np.arange(4))
        return {"right": float((self._best(models, batch.net_input) == batch.target).float().mean())}

    @torch.no_grad()
    def _best(self, models, net_input):
        return models[0](**net_input).argmax(-1)

    def predict(self, models, lines):
        """Say a word for each word."""
        remaining = iter(lines)
        while buffer := list(islice(remaining, 4)):
            source = pad([self._encode(line) for line in buffer])
            best = self._best(models, {"source_tokens": source, "prev_output_tokens": source})
            for line, row in zip(buffer, best.tolist(), strict=True):
                yield " ".join(self._words[i] for i in row[: len(line.split())])
'''
MEMBERS = """
most_read = 5

@pytest.fixture
def task_settings(self, tiny_corpus):
    return {"folder": str(tiny_corpus)}
"""


def mutant(old: str, new: str, *caught_by: str) -> dict[str, Any]:
    """Replace a part of the task that keeps the contract."""
    assert old in TASK
    code = TASK.replace(old, new)
    return {"contract": "TaskContract", "caught_by": set(caught_by), "code": code, "config": CONFIG, "members": MEMBERS}


MUTANTS = {
    "no mistake": mutant("", ""),
    "counts padding among the targets": mutant(
        "num_targets=sum(map(len, targets))", "num_targets=target.numel()", "test_counts_of_a_batch_are_true"
    ),
    "counts padding among the tokens": mutant(
        "num_tokens=sum(map(len, rows))", "num_tokens=longer.numel()", "test_counts_of_a_batch_are_true"
    ),
    "pads with another id than it tells": mutant(
        "[PADDING] * (width", "[UNKNOWN] * (width",
        "test_counts_of_a_batch_are_true", "test_other_examples_of_a_batch_add_nothing_but_padding",
        "test_predictions_are_in_order",
    ),
    "sorts a batch by length": mutant(
        "zip(*(self._pairs[i] for i in indices))",
        "zip(*sorted((self._pairs[i] for i in indices), key=lambda pair: len(pair[0])))",
        "test_a_batch_in_another_order_has_the_same_rows",
        "test_other_examples_of_a_batch_add_nothing_but_padding",
    ),
    "numbers the rows of a batch instead of naming examples": mutant(
        "ids=torch.tensor(indices)", "ids=torch.arange(len(indices))", "test_a_batch_has_a_row_for_each_example"
    ),
    "plans without the end of a sentence": mutant(
        "[len(side) for side in pair]", "[len(side) - 1 for side in pair]",
        "test_lengths_are_those_of_the_batches", "test_counts_of_a_batch_are_true",
    ),
    "lengths forget where they start": mutant(
        "self._pairs[start:stop]", "self._pairs[:stop - start]",
        "test_lengths_are_those_of_the_batches", "test_counts_of_a_batch_are_true",
    ),
    "a part too short": mutant("DatasetPart(0, len(pairs))", "DatasetPart(0, len(pairs) - 1)", "test_parts_cover_a_dataset"),
    "a fingerprint of the file's name": mutant(
        "json.dumps(pairs).encode()", "name.encode()", "test_other_data_has_another_fingerprint"
    ),
    "a fingerprint of the clock": mutant(
        "json.dumps(pairs).encode()", "str(__import__('time').time_ns()).encode()",
        "test_equal_data_has_an_equal_fingerprint", "test_an_interrupted_run_goes_on_to_the_bit",
        "test_the_same_run_ends_the_same",
    ),
    "one fingerprint for all": mutant(
        "json.dumps(pairs).encode()", "b'data'",
        "test_equal_data_has_an_equal_fingerprint", "test_other_data_has_another_fingerprint",
    ),
    "learns its words anew in a resumed run": mutant(
        'if not (artifacts / "words.json").exists():', "if True:", "test_a_resumed_run_uses_what_it_has"
    ),
    "keeps its words in the cache": mutant(
        'artifacts / "words.json"', 'cache / "words.json"',
        "test_a_resumed_run_uses_what_it_has", "test_it_loads_from_the_run_folder_alone",
    ),
    "needs the corpus to load": mutant(
        "        self._words = json.loads(", "        self._lines('train', 'en')\n        self._words = json.loads(",
        "test_it_loads_from_the_run_folder_alone", "test_predictions_are_the_same_without_the_corpus",
    ),
    "promises shorter sentences than there are": mutant(
        "max_positions=64, max_source_positions=64", "max_positions=4, max_source_positions=4",
        "test_examples_fit_what_the_model_is_told",
    ),
    "names too few ids": mutant(
        "names=self._words,", "names=self._words[4:],", "test_its_vocabularies_are_those_of_its_models"
    ),
    "names another id for padding": mutant(
        '"padding": PADDING', '"padding": EOS', "test_its_vocabularies_are_those_of_its_models"
    ),
    "names validation first": mutant('["train", "valid"]', '["valid", "train"]', "test_splits_are_named_in_order"),
    "says the same of all examples": mutant("{self._name}:{index + 1}", "{self._name}", "test_an_example_can_be_found"),
    "measures by chance": mutant(
        'return {"right": ', 'return {"right": np.random.default_rng().random() + ',
        "test_measures_are_finite_and_the_same_every_time",
    ),
    "leaves the model changed after measuring": mutant(
        '        return {"right"', '        models[0].embedding.weight.data += 0.1\n        return {"right"',
        "test_measures_are_finite_and_the_same_every_time",
    ),
    "does not measure what it says is better": mutant(
        'return {"right"', 'return {"correct"', "test_better_measures_are_measured"
    ),
    "skips empty lines": mutant(
        "remaining = iter(lines)", "remaining = filter(None, lines)", "test_a_line_comes_out_for_each_that_goes_in"
    ),
    "answers in the order of length": mutant(
        "for line, row in zip(buffer, best.tolist(), strict=True):",
        "for line, row in sorted(zip(buffer, best.tolist(), strict=True), key=lambda each: len(each[0])):",
        "test_predictions_are_in_order",
    ),
    "reads all input before it answers": mutant(
        "remaining = iter(lines)", "remaining = iter(list(lines))", "test_predicting_reads_no_further_than_a_buffer"
    ),
    "draws words to leave out by chance": mutant(
        "sources, targets = zip(*(self._pairs[i] for i in indices))",
        "sources, targets = zip(*((np.random.default_rng().permutation(a).tolist(), b) for a, b in (self._pairs[i] for i in indices)))",
        "test_a_batch_in_another_order_has_the_same_rows", "test_other_examples_of_a_batch_add_nothing_but_padding",
        "test_the_same_run_ends_the_same", "test_an_interrupted_run_goes_on_to_the_bit",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def found(failing_tests: Callable[..., dict[str, set[str]]]) -> dict[str, set[str]]:
    """Which tests failed for each mutant."""
    return failing_tests(MUTANTS)


@pytest.mark.parametrize("name", MUTANTS)
def test_the_mistake_is_caught(found: dict[str, set[str]], name: str) -> None:
    """The tests that are about the mistake fail, and no others."""
    assert MUTANTS[name]["caught_by"] == found[name]
