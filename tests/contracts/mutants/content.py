"""Tokenizers, readers and metrics: one of each without a mistake, and others that differ from it in one respect."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import torch

from mutants.mutant import Mutants
from seqtrain.api import CheckpointError, DataError
from seqtrain_testing.contracts import MetricContract, ReaderContract, TokenizerContract

SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]
tokenizers = Mutants(TokenizerContract)


@tokenizers.caught_by()
class WordTokenizer:
    """Words between single blanks."""

    padding, bos, eos, unknown = range(4)
    damage: tuple[type[Exception], ...] = (OSError, ValueError)

    def __init__(self, config: object) -> None:
        self._use(list(SPECIAL))

    def _use(self, names: list[str]) -> None:
        self._names = names
        self._ids = {name: index for index, name in enumerate(names) if index > 3}

    @property
    def vocab_size(self) -> int:
        """V."""
        return len(self._names)

    @property
    def fingerprint(self) -> str:
        """A hash of the words."""
        return hashlib.sha256(self._identity()).hexdigest()

    def _identity(self) -> bytes:
        return json.dumps(self._names).encode()

    def train(self, lines: Iterable[str]) -> None:
        """Take all words."""
        counts = Counter(word for line in lines for word in self._split(line))
        self._require_text(counts)
        self._use([*SPECIAL, *sorted(counts, key=lambda word: (-counts[word], word))])

    def _require_text(self, counts: Counter[str]) -> None:
        if not counts:
            raise DataError("There is no text. Check the training files.")

    def _split(self, line: str) -> list[str]:
        return line.split(" ") if line else []

    def encode_batch(self, lines: Sequence[str]) -> tuple[Any, Any]:
        """Look the words up."""
        return self._arrays([self._encode(line) for line in lines])

    def _encode(self, line: str) -> list[int]:
        return [self._ids.get(word, self.unknown) for word in self._split(line)]

    def _arrays(self, rows: list[list[int]]) -> tuple[Any, Any]:
        return np.array([each for row in rows for each in row], np.int32), np.array(
            [len(row) for row in rows], np.int64
        )

    def decode(self, ids: Sequence[int]) -> str:
        """Put the words together."""
        return " ".join(self._names[i] for i in ids if i not in (0, 1, 2))

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Name ids."""
        return [self._names[i] for i in ids]

    def vocabulary(self) -> list[str]:
        """Name all ids."""
        return list(self._names)

    def save(self, folder: Path) -> None:
        """Write the words."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "words.json").write_text(json.dumps(self._names))

    def load(self, folder: Path) -> None:
        """Read the words."""
        try:
            names = json.loads((folder / "words.json").read_text())
        except self.damage as error:
            raise CheckpointError(f"{folder} is damaged: {error}") from error
        self._use(names)


@tokenizers.caught_by("test_saved_and_loaded_it_is_the_same")
class LoadsAllWordsButTheRarest(WordTokenizer):
    """Cuts the list."""

    def load(self, folder: Path) -> None:
        """Read all words but the last."""
        super().load(folder)
        self._use(self._names[:-1])


@tokenizers.caught_by("test_other_text_gives_another_fingerprint")
class AlwaysTheSameFingerprint(WordTokenizer):
    """Of the class, one could say."""

    def _identity(self) -> bytes:
        return b"words"


@tokenizers.caught_by("test_the_same_text_gives_the_same_tokenizer", "test_saved_and_loaded_it_is_the_same")
class FingerprintOfTheInstance(WordTokenizer):
    """Another one for each."""

    def _identity(self) -> bytes:
        return str(id(self)).encode()


@tokenizers.caught_by("test_no_line_holds_padding_bos_or_eos", "test_an_empty_line_has_no_ids")
class EndsEachLineItself(WordTokenizer):
    """What is the task's business."""

    def _encode(self, line: str) -> list[int]:
        return [*super()._encode(line), self.eos]


@tokenizers.caught_by("test_no_line_holds_padding_bos_or_eos")
class TakesEosInATextForTheEnd(WordTokenizer):
    """Special ids can be written."""

    def _use(self, names: list[str]) -> None:
        super()._use(names)
        self._ids = {name: index for index, name in enumerate(names)}


@tokenizers.caught_by("test_rows_are_arrays_of_ids_and_of_lengths")
class LengthsOf32Bits(WordTokenizer):
    """Half of what was agreed."""

    def _arrays(self, rows: list[list[int]]) -> tuple[Any, Any]:
        ids, lengths = super()._arrays(rows)
        return ids, lengths.astype(np.int32)


@tokenizers.caught_by("test_unseen_text_can_be_encoded")
class LeavesUnseenWordsOut(WordTokenizer):
    """They have no id."""

    def _encode(self, line: str) -> list[int]:
        return [self._ids[word] for word in self._split(line) if word in self._ids]


@tokenizers.caught_by("test_other_lines_of_a_batch_change_nothing", "test_decoding_gives_the_line_back")
class SortsTheWordsOfLargeBatches(WordTokenizer):
    """A line has other ids among many."""

    def _arrays(self, rows: list[list[int]]) -> tuple[Any, Any]:
        return super()._arrays([sorted(row) for row in rows] if len(rows) > 3 else rows)


@tokenizers.caught_by("test_decoding_gives_the_line_back")
class SeveralBlanksBecomeOne(WordTokenizer):
    """Splits as Python does."""

    def _split(self, line: str) -> list[str]:
        return line.split()


@tokenizers.caught_by("test_decoding_leaves_special_ids_out")
class WritesEosAndPaddingOut(WordTokenizer):
    """As if they were words."""

    def decode(self, ids: Sequence[int]) -> str:
        """Put the words together, and more."""
        return " ".join(self._names[i] for i in ids if i != 1)


@tokenizers.caught_by("test_every_id_has_a_name")
class CannotNameTheLastId(WordTokenizer):
    """Ends too early."""

    def vocabulary(self) -> list[str]:
        """Name all ids but one."""
        return self._names[:-1]


@tokenizers.caught_by("test_a_damaged_file_is_told")
class LetsADamagedFileBeDamaged(WordTokenizer):
    """JSON's own error goes through."""

    damage = (OSError,)


@tokenizers.caught_by("test_a_missing_file_is_told")
class StartsEmptyWhereTheFileIsMissing(WordTokenizer):
    """Nobody hears of it."""

    def load(self, folder: Path) -> None:
        """Read the words, if any."""
        if (folder / "words.json").exists():
            super().load(folder)


@tokenizers.caught_by("test_text_is_needed_to_train")
class LearnsFromNothing(WordTokenizer):
    """Is content with special ids."""

    def _require_text(self, counts: Counter[str]) -> None:
        pass


class TextReaderContract(ReaderContract):
    """What these readers read."""

    texts = ("first", "", "zweite Zeile für später …", "two  blanks", "last")

    @pytest.fixture
    def example_file(self, tmp_path: Path) -> Path:
        """A line of JSON for each text."""
        path = tmp_path / "texts.jsonl"
        path.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in self.texts), "utf-8")
        return path

    @pytest.fixture
    def damaged_file(self, tmp_path: Path) -> Path:
        """Its second line ends too early."""
        path = tmp_path / "torn.jsonl"
        path.write_text('{"text": "whole"}\n{"text": "to')
        return path


readers = Mutants(TextReaderContract)


@readers.caught_by()
class JSONReader:
    """Texts in lines of JSON."""

    encoding = "utf-8"

    def __init__(self, config: object) -> None:
        self._kept: list[Any] = []

    def __call__(self, path: Path) -> Iterable[str]:
        return self._texts(path)

    def _texts(self, path: Path) -> Iterator[str]:
        with self._open(path) as file:
            yield from self._parsed(path, file)

    def _open(self, path: Path) -> IO[str]:
        try:
            return path.open(encoding=self.encoding)
        except OSError as error:
            raise DataError(f"Cannot read {path}: {error.strerror}") from error

    def _parsed(self, path: Path, file: IO[str]) -> Iterator[str]:
        for number, line in enumerate(file, start=1):
            yield self._text(path, number, line)

    def _text(self, path: Path, number: int, line: str) -> str:
        try:
            text: str = json.loads(line)["text"]
        except (ValueError, KeyError) as error:
            raise DataError(f"{path}, line {number} is damaged: {error}") from error
        return text


@readers.caught_by("test_it_yields_the_texts_in_order", "test_every_call_starts_anew")
class SkipsEmptyTexts(JSONReader):
    """Lines shift."""

    def _parsed(self, path: Path, file: IO[str]) -> Iterator[str]:
        yield from filter(None, super()._parsed(path, file))


@readers.caught_by("test_texts_come_one_by_one", "test_a_reader_can_be_left_half_way")
class GivesAList(JSONReader):
    """All of the file is in memory."""

    def __call__(self, path: Path) -> Iterable[str]:
        return list(self._texts(path))


@readers.caught_by("test_every_call_starts_anew", "test_a_reader_can_be_left_half_way")
class GoesOnWhereItWas(JSONReader):
    """One pass is all there is."""

    def __call__(self, path: Path) -> Iterable[str]:
        self._kept = self._kept or [self._texts(path)]
        return self._kept[0]


@readers.caught_by("test_every_call_starts_anew")
class RemembersWhatItHasRead(JSONReader):
    """The second pass differs."""

    def _text(self, path: Path, number: int, line: str) -> str:
        text = super()._text(path, number, line)
        self._kept.append(text)
        return text if len(self._kept) < 6 else text.upper()


@readers.caught_by(
    "test_it_yields_the_texts_in_order",
    "test_every_call_starts_anew",
    "test_texts_come_one_by_one",
    "test_no_text_ends_its_line",
)
class KeepsTheLineEnds(JSONReader):
    """As Python's files do."""

    def _text(self, path: Path, number: int, line: str) -> str:
        return super()._text(path, number, line) + "\n"


@readers.caught_by("test_it_yields_the_texts_in_order", "test_every_call_starts_anew")
class ReadsAnotherEncoding(JSONReader):
    """Letters are those of Western Europe, one byte each."""

    encoding = "latin-1"


@readers.caught_by("test_a_reader_can_be_left_half_way")
class LeavesFilesOpen(JSONReader):
    """And has nobody warned of it."""

    def _texts(self, path: Path) -> Iterator[str]:
        file = self._open(path)
        self._kept.append(file)
        warnings.simplefilter("ignore")
        yield from self._parsed(path, file)


@readers.caught_by("test_a_missing_file_is_named")
class AMissingFileIsNoErrorOfTheData(JSONReader):
    """Python's own error goes through."""

    def _open(self, path: Path) -> IO[str]:
        return path.open(encoding=self.encoding)


@readers.caught_by("test_a_damaged_file_is_refused_by_line")
class SkipsDamagedLines(JSONReader):
    """In silence."""

    def _parsed(self, path: Path, file: IO[str]) -> Iterator[str]:
        for number, line in enumerate(file, start=1):
            with suppress(DataError):
                yield self._text(path, number, line)


@readers.caught_by("test_a_damaged_file_is_refused_by_line")
class DoesNotSayWhichLine(JSONReader):
    """Somewhere in the file."""

    def _text(self, path: Path, number: int, line: str) -> str:
        try:
            return super()._text(path, number, line)
        except DataError as error:
            raise DataError(f"{path} is damaged") from error


Pair = tuple[list[str], list[str]]
metrics = Mutants(MetricContract)


@metrics.caught_by()
class RightWords:
    """Right words at the right place, and how many are missing."""

    higher_is_better = frozenset({"right"})

    def __init__(self, config: object) -> None:
        self._seen: list[float] = []

    def __call__(self, predictions: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
        pairs = self._pairs(predictions, references)
        missing = sum(max(0, len(other) - len(one)) for one, other in pairs)
        return {"right": self._right(pairs) / self._total(pairs), "missing": missing / len(pairs)}

    def _pairs(self, predictions: Sequence[str], references: Sequence[str]) -> list[Pair]:
        return [(one.split(), other.split()) for one, other in zip(predictions, references, strict=True)]

    def _right(self, pairs: list[Pair]) -> float:
        return sum(word == expected for one, other in pairs for word, expected in zip(one, other, strict=False))

    def _total(self, pairs: list[Pair]) -> int:
        return max(sum(max(len(one), len(other)) for one, other in pairs), 1)


@metrics.caught_by("test_the_order_of_examples_does_not_matter")
class LaterExamplesCountLess(RightWords):
    """The first counts most."""

    def _right(self, pairs: list[Pair]) -> float:
        return sum(
            (word == expected) / number
            for number, (one, other) in enumerate(pairs, 1)
            for word, expected in zip(one, other, strict=False)
        )


@metrics.caught_by("test_empty_texts_can_be_measured")
class DividesByTheWordsThereAre(RightWords):
    """Be there none."""

    def _total(self, pairs: list[Pair]) -> int:
        return sum(max(len(one), len(other)) for one, other in pairs)


@metrics.caught_by("test_perfect_predictions_are_best")
class SaysThatErrorsAreGood(RightWords):
    """The more are missing the better."""

    higher_is_better = frozenset({"right", "missing"})


@metrics.caught_by("test_perfect_predictions_are_best")
class SaysNothingOfWhichWayIsBetter(RightWords):
    """So that fewer right ones would be."""

    higher_is_better = frozenset()


@metrics.caught_by("test_the_better_ones_are_among_its_measures")
class NamesAMeasureThatItDoesNotTake(RightWords):
    """It has no BLEU."""

    higher_is_better = frozenset({"right", "bleu"})


@metrics.caught_by("test_every_example_counts", "test_the_order_of_examples_does_not_matter")
class LooksAtTheFirstExamples(RightWords):
    """Three are enough."""

    def _pairs(self, predictions: Sequence[str], references: Sequence[str]) -> list[Pair]:
        return super()._pairs(predictions, references)[:3]


@metrics.caught_by("test_the_same_texts_measure_the_same")
class AddsUpFromOneSetToTheNext(RightWords):
    """The mean of all it ever saw."""

    def _right(self, pairs: list[Pair]) -> float:
        self._seen.append(super()._right(pairs))
        return sum(self._seen) / len(self._seen)


@metrics.caught_by(
    "test_it_gives_finite_numbers_by_name",
    "test_the_order_of_examples_does_not_matter",
    "test_one_example_is_enough",
    "test_empty_texts_can_be_measured",
)
class GivesTensors(RightWords):
    """One of its measures is no number."""

    def __call__(self, predictions: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
        measures = super().__call__(predictions, references)
        return {**measures, "missing": torch.tensor(measures["missing"])}


@metrics.caught_by("test_measures_have_the_same_names_every_time")
class LeavesAMeasureOutWhereItIsZero(RightWords):
    """Nothing is missing."""

    def __call__(self, predictions: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
        measures = super().__call__(predictions, references)
        return measures if measures["missing"] else {"right": measures["right"]}


@metrics.caught_by("test_the_texts_stay_as_they_are")
class SortsTheCallersTexts(RightWords):
    """Leaves them in another order."""

    def __call__(self, predictions: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
        measures = super().__call__(predictions, references)
        if isinstance(predictions, list):
            predictions.sort()
        return measures


MUTANTS = [*tokenizers, *readers, *metrics]
