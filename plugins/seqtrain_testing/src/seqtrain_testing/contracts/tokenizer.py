"""What holds for every tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from seqtrain.config.option import Selection
from seqtrain.config.standalone import resolve_component
from seqtrain.errors import CheckpointError, ConfigError, DataError
from seqtrain.protocols import Tokenizer
from seqtrain.registry.component import RegisteredComponent
from seqtrain.registry.registry import Registry
from seqtrain_testing.contracts.component import ComponentContract
from seqtrain_testing.registry import INLINE, RegistryBuilder

TEXT = (
    "a man sees the small house",
    "two girls want to see the great river , too",
    "Ein Mädchen sieht die große Brücke",
    "",
    "the  house has   12 windows ; nobody counts them",
    "Der Fluß ist größer als das Haus …",
    "日本語 is rare here",
    "a man wants to see the river",
)
UNSEEN = ("☃ zygote", "Ωμέγα", "the man ☃", "\u00a0x\t", "e\u0301", "\U0001f600")
_GARBAGE = b"\xff\xfe\x00" * 50


class TokenizerContract(ComponentContract):
    """
    A tokenizer turns any line into ids and back, and is the same again after it was saved, wherever it is loaded.

    `lines` is what it is trained on. Set `is_lossless = False` for one that does not give back even these exactly,
    because it normalises them or forgets where blanks were.
    """

    kind = "tokenizer"
    lines: ClassVar[Sequence[str]] = TEXT
    is_lossless: ClassVar[bool] = True

    @pytest.fixture
    def tokenizer(self, registry: Registry, selection: Selection) -> Tokenizer:
        """The tokenizer, trained on `lines`."""
        return self._train(registry, selection, self.lines)

    @pytest.fixture
    def saved(self, tokenizer: Tokenizer, tmp_path: Path) -> Path:
        """The folder that it was saved in."""
        folder = tmp_path / "task" / "tokenizer"
        tokenizer.save(folder)
        return folder

    def _train(self, registry: Registry, selection: Selection, lines: Sequence[str]) -> Tokenizer:
        tokenizer: Tokenizer = self.build(registry, selection)
        tokenizer.train(iter(lines))
        return tokenizer

    def test_it_has_all_that_a_tokenizer_needs(self, tokenizer: Tokenizer) -> None:
        """Methods and properties are those of the protocol."""
        assert isinstance(tokenizer, Tokenizer)

    def test_special_ids_are_distinct(self, tokenizer: Tokenizer) -> None:
        """Padding, bos, eos and unknown are four ids of the vocabulary."""
        special = {tokenizer.padding, tokenizer.bos, tokenizer.eos, tokenizer.unknown}

        assert len(special) == 4
        assert special <= set(range(tokenizer.vocab_size))

    def test_rows_are_arrays_of_ids_and_of_lengths(self, tokenizer: Tokenizer) -> None:
        """Ids are int32 and lie in [0, V); lengths are int64 and add up; no line at all gives empty arrays."""
        for lines in (list(self.lines), []):
            ids, lengths = tokenizer.encode_batch(lines)

            assert (str(ids.dtype), str(lengths.dtype)) == ("int32", "int64")
            assert (ids.shape, lengths.shape) == ((lengths.sum(),), (len(lines),))
            assert bool(((ids >= 0) & (ids < tokenizer.vocab_size)).all())

    def test_no_line_holds_padding_bos_or_eos(self, tokenizer: Tokenizer) -> None:
        """The task adds these; their names in a text are text like other."""
        special = [tokenizer.padding, tokenizer.bos, tokenizer.eos]
        named = " ".join(["a", *tokenizer.tokens(special), "b"])

        assert [
            row for row in rows_of(tokenizer, [*self.lines, named, "<s> </s> <pad>"]) if set(row) & set(special)
        ] == []

    def test_an_empty_line_has_no_ids(self, tokenizer: Tokenizer) -> None:
        """It stays a row, so that lines keep their numbers."""
        assert rows_of(tokenizer, ["", self.lines[0], ""])[::2] == [[], []]
        assert tokenizer.decode([]) == ""

    def test_other_lines_of_a_batch_change_nothing(self, tokenizer: Tokenizer) -> None:
        """A line has the same ids alone and among others, in any order."""
        lines = [*self.lines, *UNSEEN]
        alone = [rows_of(tokenizer, [line])[0] for line in lines]

        assert rows_of(tokenizer, lines) == alone
        assert rows_of(tokenizer, lines[::-1]) == alone[::-1]

    def test_decoding_gives_the_line_back(self, tokenizer: Tokenizer) -> None:
        """Lines it was trained on come back as they were, or, if it is not lossless, as they come back ever after."""
        rows = rows_of(tokenizer, self.lines)
        if self.is_lossless:
            assert [tokenizer.decode(row) for row in rows] == list(self.lines)
            return
        once = [tokenizer.decode(row) for row in rows if row and tokenizer.unknown not in row]

        assert [tokenizer.decode(row) for row in rows_of(tokenizer, once)] == once
        assert [text for text in once if not text.strip()] == []

    def test_decoding_leaves_special_ids_out(self, tokenizer: Tokenizer) -> None:
        """A row as a model reads or writes it, with bos, eos and padding, decodes to its text."""
        padding, bos, eos = tokenizer.padding, tokenizer.bos, tokenizer.eos
        rows = rows_of(tokenizer, self.lines)
        framed = [tokenizer.decode([bos, *row, eos, padding, padding]) for row in rows]

        assert framed == [tokenizer.decode(row) for row in rows]

    def test_decoding_takes_any_ids(self, tokenizer: Tokenizer) -> None:
        """A model may write any sequence of ids, unknown and repeated ones too; all of them decode to one text."""
        rng = np.random.default_rng(1)
        rows = [rng.integers(tokenizer.vocab_size, size=length).tolist() for length in (1, 3, 30, 300)]

        texts = [tokenizer.decode(row) for row in [*rows, [tokenizer.unknown] * 2]]
        assert [text for text in texts if not isinstance(text, str)] == []

    def test_unseen_text_can_be_encoded(self, tokenizer: Tokenizer) -> None:
        """What it was not trained on becomes unknown, or smaller pieces; it does not vanish, and nothing is raised."""
        rows = rows_of(tokenizer, UNSEEN)

        assert [line for line, row in zip(UNSEEN, rows, strict=True) if not row] == []
        assert max(map(max, rows)) < tokenizer.vocab_size

    def test_every_id_has_a_name(self, tokenizer: Tokenizer) -> None:
        """The vocabulary has V names, no two alike but empty ones; `tokens` gives the same names."""
        names = tokenizer.vocabulary()
        used = [name for name in names if name]

        assert len(names) == tokenizer.vocab_size
        assert len(set(used)) == len(used)
        assert tokenizer.tokens(range(tokenizer.vocab_size)) == names

    def test_the_same_text_gives_the_same_tokenizer(
        self, registry: Registry, selection: Selection, tokenizer: Tokenizer
    ) -> None:
        """Trained again, it has the same fingerprint and encodes alike."""
        again = self._train(registry, selection, self.lines)

        assert again.fingerprint == tokenizer.fingerprint
        assert rows_of(again, [*self.lines, *UNSEEN]) == rows_of(tokenizer, [*self.lines, *UNSEEN])

    def test_another_process_gives_the_same_tokenizer(
        self, registered: RegisteredComponent, tokenizer: Tokenizer, spawned_worker: Executor
    ) -> None:
        """Neither the order of a set nor anything else of the process decides on an id."""
        if registered.plugin.id == INLINE:
            pytest.skip("it is registered by this test alone")
        elsewhere = spawned_worker.submit(fingerprint_in_worker, self.name, dict(self.settings), list(self.lines))

        assert elsewhere.result() == tokenizer.fingerprint

    def test_other_text_gives_another_fingerprint(
        self, registry: Registry, selection: Selection, tokenizer: Tokenizer
    ) -> None:
        """What was encoded with one vocabulary is not taken for what another would give."""
        other = self._train(registry, selection, [*self.lines, *["quite another sentence 98 765"] * 50])

        assert other.fingerprint != tokenizer.fingerprint

    def test_saved_and_loaded_it_is_the_same(
        self, registry: Registry, selection: Selection, tokenizer: Tokenizer, saved: Path, tmp_path: Path
    ) -> None:
        """The folder may be moved; a new tokenizer that loads it agrees in all there is to ask."""
        loaded: Tokenizer = self.build(registry, selection)
        loaded.load(saved.rename(tmp_path / "moved"))

        assert loaded.fingerprint == tokenizer.fingerprint
        assert loaded.vocabulary() == tokenizer.vocabulary()
        assert special_ids(loaded) == special_ids(tokenizer)
        for lines in (self.lines, UNSEEN):
            rows = rows_of(loaded, lines)
            assert rows == rows_of(tokenizer, lines)
            assert [loaded.decode(row) for row in rows] == [tokenizer.decode(row) for row in rows]

    def test_a_missing_file_is_told(self, registry: Registry, selection: Selection, saved: Path) -> None:
        """Loading an incomplete folder raises CheckpointError, for whichever file is missing."""
        files = [path for path in saved.rglob("*") if path.is_file()]
        assert files != []
        for path in files:
            kept = path.rename(path.with_name(f"{path.name}.kept"))
            with pytest.raises(CheckpointError):
                self.build(registry, selection).load(saved)
            kept.rename(path)

    @pytest.mark.parametrize("content", [b"", _GARBAGE], ids=["empty", "garbage"])
    def test_a_damaged_file_is_told(
        self, registry: Registry, selection: Selection, saved: Path, content: bytes
    ) -> None:
        """Loading raises CheckpointError, whichever file was damaged, and never starts with half a vocabulary."""
        for path in [path for path in saved.rglob("*") if path.is_file()]:
            kept = path.read_bytes()
            path.write_bytes(content)
            with pytest.raises(CheckpointError):
                self.build(registry, selection).load(saved)
            path.write_bytes(kept)

    def test_text_is_needed_to_train(self, registry: Registry, selection: Selection) -> None:
        """Without a line, or with empty ones alone, there is nothing to learn: an error a user can understand."""
        for lines in ([], ["", ""]):
            with pytest.raises((DataError, ConfigError)):
                self._train(registry, selection, lines)


def rows_of(tokenizer: Tokenizer, lines: Sequence[str]) -> list[list[int]]:
    """Return the ids of each line."""
    ids, lengths = tokenizer.encode_batch(list(lines))
    stops = np.cumsum(lengths)
    return [ids[stop - length : stop].tolist() for stop, length in zip(stops, lengths, strict=True)]


def special_ids(tokenizer: Tokenizer) -> list[int]:
    """Return padding, bos, eos and unknown."""
    return [tokenizer.padding, tokenizer.bos, tokenizer.eos, tokenizer.unknown]


def fingerprint_in_worker(name: str, settings: Mapping[str, Any], lines: Sequence[str]) -> str:
    """Train an installed tokenizer in this process, and return its fingerprint."""
    registry = RegistryBuilder.with_everything_installed().registry
    tokenizer: Tokenizer = registry.build(resolve_component(registry, "tokenizer", name, settings))
    tokenizer.train(iter(lines))
    return tokenizer.fingerprint
