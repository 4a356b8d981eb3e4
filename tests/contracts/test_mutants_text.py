"""Mistakes that the contracts of tokenizers, readers and metrics must catch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

TOKENIZER = '''
"""Words between single blanks."""
import hashlib
import json
from collections import Counter
import numpy as np
from seqtrain.api import CheckpointError, DataError

SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]


class Mutant:
    """Words between single blanks."""

    padding, bos, eos, unknown = range(4)

    def __init__(self, config):
        self._use(list(SPECIAL))

    def _use(self, names):
        self._names = names
        self._ids = {name: index for index, name in enumerate(names) if index > 3}

    @property
    def vocab_size(self):
        """V."""
        return len(self._names)

    @property
    def fingerprint(self):
        """A hash of the words."""
        return hashlib.sha256(json.dumps(self._names).encode()).hexdigest()

    def train(self, lines):
        """Take all words."""
        counts = Counter(word for line in lines for word in self._split(line))
        if not counts:
            raise DataError("There is no text. Check the training files.")
        self._use([*SPECIAL, *sorted(counts, key=lambda word: (-counts[word], word))])

    def _split(self, line):
        return line.split(" ") if line else []

    def encode_batch(self, lines):
        """Look the words up."""
        rows = [[self._ids.get(word, self.unknown) for word in self._split(line)] for line in lines]
        return np.array(sum(rows, []), np.int32), np.array([len(row) for row in rows], np.int64)

    def decode(self, ids):
        """Put the words together."""
        return " ".join(self._names[i] for i in ids if i not in (0, 1, 2))

    def tokens(self, ids):
        """Name ids."""
        return [self._names[i] for i in ids]

    def vocabulary(self):
        """Name all ids."""
        return list(self._names)

    def save(self, folder):
        """Write the words."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "words.json").write_text(json.dumps(self._names))

    def load(self, folder):
        """Read the words."""
        try:
            names = json.loads((folder / "words.json").read_text())
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{folder} is damaged: {error}") from error
        self._use(names)
'''

READER = '''
"""Texts in lines of JSON."""
import json
from seqtrain.api import DataError


class Mutant:
    """Texts in lines of JSON."""

    def __init__(self, config):
        self._kept = []

    def __call__(self, path):
        return self._texts(path)

    def _texts(self, path):
        try:
            file = path.open(encoding="utf-8")
        except OSError as error:
            raise DataError(f"Cannot read {path}: {error.strerror}") from error
        with file:
            for number, line in enumerate(file, start=1):
                try:
                    text = json.loads(line)["text"]
                except (ValueError, KeyError) as error:
                    raise DataError(f"{path}, line {number} is damaged: {error}") from error
                yield text
'''
READER_FILES = """
texts = ["first", "", "zweite Zeile für später …", "two  blanks", "last"]

@pytest.fixture
def example_file(self, tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\\n" for text in self.texts), "utf-8")
    return path

@pytest.fixture
def damaged_file(self, tmp_path):
    path = tmp_path / "torn.jsonl"
    path.write_text('{"text": "whole"}\\n{"text": "to')
    return path
"""

METRIC = '''
"""Right words at the right place, and how many are missing."""


class Mutant:
    """Right words at the right place, and how many are missing."""

    higher_is_better = frozenset({"right"})

    def __init__(self, config):
        self._seen = []

    def __call__(self, predictions, references):
        pairs = [(one.split(), other.split()) for one, other in zip(predictions, references, strict=True)]
        right = sum(word == expected for one, other in pairs for word, expected in zip(one, other))
        total = sum(max(len(one), len(other)) for one, other in pairs)
        missing = sum(max(0, len(other) - len(one)) for one, other in pairs)
        return {"right": right / max(total, 1), "missing": missing / len(pairs)}
'''

SOURCES = {
    "TokenizerContract": (TOKENIZER, ""),
    "ReaderContract": (READER, READER_FILES),
    "MetricContract": (METRIC, ""),
}


def mutant(contract: str, old: str, new: str, *caught_by: str) -> dict[str, Any]:
    """Replace a part of the component that keeps the contract."""
    code, members = SOURCES[contract]
    assert old in code
    changed = {"code": code.replace(old, new), "members": members}
    return {"contract": contract, "caught_by": set(caught_by), **changed}


MUTANTS = {
    # --- tokenizers
    "tokenizer: no mistake": mutant("TokenizerContract", "", ""),
    "tokenizer: loads all words but the rarest": mutant(
        "TokenizerContract",
        "self._use(names)\n",
        "self._use(names[:-1] if 'names' in locals() else names)\n",
        "test_saved_and_loaded_it_is_the_same",
    ),
    "tokenizer: always the same fingerprint": mutant(
        "TokenizerContract",
        "json.dumps(self._names).encode()",
        "b'words'",
        "test_other_text_gives_another_fingerprint",
    ),
    "tokenizer: a fingerprint that changes with every instance": mutant(
        "TokenizerContract",
        "json.dumps(self._names).encode()",
        "str(id(self)).encode()",
        "test_the_same_text_gives_the_same_tokenizer",
        "test_saved_and_loaded_it_is_the_same",
    ),
    "tokenizer: ends each line itself": mutant(
        "TokenizerContract",
        "for word in self._split(line)] for line in lines]",
        "for word in self._split(line)] + [self.eos] for line in lines]",
        "test_no_line_holds_padding_bos_or_eos",
        "test_an_empty_line_has_no_ids",
    ),
    "tokenizer: takes </s> in a text for the end": mutant(
        "TokenizerContract", " if index > 3}", "}", "test_no_line_holds_padding_bos_or_eos"
    ),
    "tokenizer: lengths of 32 bits": mutant(
        "TokenizerContract", "np.int64", "np.int32", "test_rows_are_arrays_of_ids_and_of_lengths"
    ),
    "tokenizer: leaves unseen words out": mutant(
        "TokenizerContract",
        "for word in self._split(line)] for line in lines]",
        "for word in self._split(line) if word in self._ids] for line in lines]",
        "test_unseen_text_can_be_encoded",
    ),
    "tokenizer: numbers words by their place in the batch": mutant(
        "TokenizerContract",
        "return np.array(sum(rows, []), np.int32)",
        "rows = [sorted(row) for row in rows] if len(rows) > 3 else rows\n        return np.array(sum(rows, []), np.int32)",
        "test_other_lines_of_a_batch_change_nothing",
        "test_decoding_gives_the_line_back",
    ),
    "tokenizer: several blanks become one": mutant(
        "TokenizerContract", 'line.split(" ") if line else []', "line.split()", "test_decoding_gives_the_line_back"
    ),
    "tokenizer: writes </s> and <pad> out": mutant(
        "TokenizerContract", "if i not in (0, 1, 2))", "if i != 1)", "test_decoding_leaves_special_ids_out"
    ),
    "tokenizer: cannot name the last id": mutant(
        "TokenizerContract", "return list(self._names)", "return self._names[:-1]", "test_every_id_has_a_name"
    ),
    "tokenizer: lets a damaged file be damaged": mutant(
        "TokenizerContract", "(OSError, ValueError)", "OSError", "test_a_damaged_file_is_told"
    ),
    "tokenizer: starts empty where the file is missing": mutant(
        "TokenizerContract",
        "        try:\n",
        "        if not (folder / 'words.json').exists():\n            return\n        try:\n",
        "test_a_missing_file_is_told",
    ),
    "tokenizer: learns from nothing": mutant(
        "TokenizerContract", "if not counts:", "if None:", "test_text_is_needed_to_train"
    ),
    # --- readers
    "reader: no mistake": mutant("ReaderContract", "", ""),
    "reader: skips empty texts": mutant(
        "ReaderContract",
        "yield text\n",
        "if text:\n                    yield text\n",
        "test_it_yields_the_texts_in_order",
        "test_every_call_starts_anew",
    ),
    "reader: gives a list": mutant(
        "ReaderContract",
        "return self._texts(path)",
        "return list(self._texts(path))",
        "test_texts_come_one_by_one",
        "test_a_reader_can_be_left_half_way",
    ),
    "reader: goes on where it was": mutant(
        "ReaderContract",
        "return self._texts(path)",
        "self._kept = self._kept or [self._texts(path)]\n        return self._kept[0]",
        "test_every_call_starts_anew",
        "test_a_reader_can_be_left_half_way",
    ),
    "reader: remembers what it has read": mutant(
        "ReaderContract",
        "yield text\n",
        "self._kept.append(text)\n                yield text if len(self._kept) < 6 else text.upper()\n",
        "test_every_call_starts_anew",
    ),
    "reader: keeps the line ends": mutant(
        "ReaderContract",
        "yield text\n",
        "yield text + chr(10)\n",
        "test_it_yields_the_texts_in_order",
        "test_every_call_starts_anew",
        "test_texts_come_one_by_one",
        "test_no_text_ends_its_line",
    ),
    "reader: reads letters as those of another encoding": mutant(
        "ReaderContract", '"utf-8"', '"latin-1"', "test_it_yields_the_texts_in_order", "test_every_call_starts_anew"
    ),
    "reader: leaves files open": mutant(
        "ReaderContract",
        "with file:\n",
        "self._kept.append(file)\n        import warnings\n        warnings.simplefilter('ignore')\n        if True:\n",
        "test_a_reader_can_be_left_half_way",
    ),
    "reader: a missing file is no error of the data": mutant(
        "ReaderContract", "except OSError as error", "except KeyError as error", "test_a_missing_file_is_named"
    ),
    "reader: skips damaged lines": mutant(
        "ReaderContract",
        'raise DataError(f"{path}, line {number} is damaged: {error}") from error',
        "continue",
        "test_a_damaged_file_is_refused_by_line",
    ),
    "reader: does not say which line": mutant(
        "ReaderContract", ", line {number} is damaged: {error}", " is damaged", "test_a_damaged_file_is_refused_by_line"
    ),
    # --- metrics
    "metric: no mistake": mutant("MetricContract", "", ""),
    "metric: later examples count less": mutant(
        "MetricContract",
        "right = sum(word == expected for one, other in pairs for",
        "right = sum((word == expected) / n for n, (one, other) in enumerate(pairs, 1) for",
        "test_the_order_of_examples_does_not_matter",
    ),
    "metric: divides by the words there are": mutant(
        "MetricContract", "max(total, 1)", "total", "test_empty_texts_can_be_measured"
    ),
    "metric: says that errors are good": mutant(
        "MetricContract", 'frozenset({"right"})', 'frozenset({"right", "missing"})', "test_perfect_predictions_are_best"
    ),
    "metric: says nothing of which way is better": mutant(
        "MetricContract", 'frozenset({"right"})', "frozenset()", "test_perfect_predictions_are_best"
    ),
    "metric: names a measure that it does not take": mutant(
        "MetricContract", 'frozenset({"right"})', 'frozenset({"right", "bleu"})', "test_the_better_ones_are_among_its_measures"
    ),
    "metric: looks at the first examples": mutant(
        "MetricContract", "strict=True)]", "strict=True)][:3]",
        "test_every_example_counts", "test_the_order_of_examples_does_not_matter",
    ),
    "metric: adds up from one set to the next": mutant(
        "MetricContract",
        "        total = ",
        "        self._seen.append(right)\n        right = sum(self._seen) / len(self._seen)\n        total = ",
        "test_the_same_texts_measure_the_same",
    ),
    "metric: gives tensors": mutant(
        "MetricContract",
        '"missing": missing / len(pairs)}',
        '"missing": __import__("torch").tensor(missing / len(pairs))}',
        "test_it_gives_finite_numbers_by_name",
        "test_the_order_of_examples_does_not_matter",
        "test_one_example_is_enough",
        "test_empty_texts_can_be_measured",
    ),
    "metric: leaves a measure out where it is zero": mutant(
        "MetricContract",
        '"missing": missing / len(pairs)}',
        '**({"missing": missing / len(pairs)} if missing else {})}',
        "test_measures_have_the_same_names_every_time",
    ),
    "metric: sorts the caller's texts": mutant(
        "MetricContract",
        "        right = sum(",
        "        predictions = [predictions.sort()] if isinstance(predictions, list) else predictions\n        right = sum(",
        "test_the_texts_stay_as_they_are",
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
