"""What holds for every reader."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from seqtrain.config.option import Selection
from seqtrain.errors import DataError
from seqtrain.protocols import Reader
from seqtrain.registry.registry import Registry
from seqtrain_testing.contracts.component import ComponentContract


class ReaderContract(ComponentContract):
    """
    A reader yields what a file says of its examples: a text of each, or a record of named fields.

    Give the fixture `example_file` and, in `texts`, what it holds: at least two texts, or records, one of them with
    letters that are not ASCII. A file that the reader must refuse is worth a fixture `damaged_file`.
    """

    kind = "reader"
    texts: ClassVar[Sequence[str | Mapping[str, Any]]]

    @pytest.fixture
    def example_file(self, tmp_path: Path) -> Path:
        """A file that holds `texts`."""
        raise NotImplementedError("Write a file that holds `texts`, and return its path.")

    @pytest.fixture
    def damaged_file(self, tmp_path: Path) -> Path:
        """A file that is not of the format."""
        return pytest.skip("the test gives no damaged_file")

    @pytest.fixture
    def reader(self, registry: Registry, selection: Selection) -> Reader:
        """The reader."""
        reader: Reader = self.build(registry, selection)
        return reader

    def test_it_yields_the_texts_in_order(self, reader: Reader, example_file: Path) -> None:
        """One text for each example, as it stands in the file; letters of all scripts among them."""
        assert list(reader(example_file)) == list(self.texts)
        assert len(self.texts) > 1
        assert not "".join(map(str, self.texts)).isascii()

    def test_every_call_starts_anew(self, reader: Reader, example_file: Path) -> None:
        """A file is read for every epoch of counting and encoding, perhaps twice at once."""
        first, second = reader(example_file), reader(example_file)
        together = list(zip(first, second, strict=True))

        assert together == [(text, text) for text in self.texts]
        assert list(reader(example_file)) == list(self.texts)

    def test_texts_come_one_by_one(self, reader: Reader, example_file: Path) -> None:
        """It gives an iterator, so that a corpus need not fit in memory."""
        texts = reader(example_file)

        assert isinstance(texts, Iterator)
        assert next(texts) == self.texts[0]

    def test_a_reader_can_be_left_half_way(self, reader: Reader, example_file: Path) -> None:
        """Whoever stops after the first text leaves no file open."""
        texts = reader(example_file)
        next(texts)
        del texts

        assert str(example_file) not in _open_files()

    def test_no_text_ends_its_line(self, reader: Reader, example_file: Path) -> None:
        """A line end is the file's, not the text's."""
        texts = (text for text in reader(example_file) if isinstance(text, str))

        assert [text for text in texts if text.endswith(("\n", "\r"))] == []

    def test_texts_can_be_written_as_utf_8(self, reader: Reader, example_file: Path) -> None:
        """Every text, and every name of a field, is a `str` without halves of characters."""
        examples = list(reader(example_file))
        records = [example for example in examples if isinstance(example, Mapping)]
        texts = [example for example in examples if not isinstance(example, Mapping)]
        texts += [name for record in records for name in record]
        fields = [value for record in records for value in record.values() if isinstance(value, str)]

        assert [text for text in texts if type(text) is not str] == []
        assert [text.encode().decode() for text in [*texts, *fields]] == [*texts, *fields]

    def test_two_readers_agree(self, registry: Registry, selection: Selection, example_file: Path) -> None:
        """What it yields depends on the settings and the file, and on nothing it has read before."""
        first, second = self.build(registry, selection), self.build(registry, selection)

        assert list(first(example_file)) == list(second(example_file))

    def test_the_file_stays_as_it_is(self, reader: Reader, example_file: Path) -> None:
        """Reading changes nothing, and leaves nothing beside the file."""
        content, beside = example_file.read_bytes(), sorted(example_file.parent.iterdir())
        list(reader(example_file))

        assert example_file.read_bytes() == content
        assert sorted(example_file.parent.iterdir()) == beside

    def test_a_missing_file_is_named(self, reader: Reader, example_file: Path) -> None:
        """The error is a DataError that names the file; it comes with the first text at the latest."""
        missing = example_file.with_name(f"missing-{example_file.name}")

        with pytest.raises(DataError, match=missing.name):
            list(reader(missing))

    def test_a_damaged_file_is_refused_by_line(self, reader: Reader, damaged_file: Path) -> None:
        """The error is a DataError that names the file and the number of the line."""
        with pytest.raises(DataError, match=damaged_file.name) as caught:
            list(reader(damaged_file))

        assert re.search(r"\d", str(caught.value).replace(str(damaged_file), ""))


def _open_files() -> set[str]:
    """Return the paths of the files that this process has open; nothing where the system does not say."""
    folder = Path("/proc/self/fd")
    return {str(path.readlink()) for path in folder.iterdir() if path.is_symlink()} if folder.exists() else set()
