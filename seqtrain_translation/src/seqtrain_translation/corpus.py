"""The files of each split, of the user's corpus or of the built-in one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from seqtrain_text.corpus import BuiltinCorpus, Corpus
from seqtrain_text.corpus_parts import CorpusPart
from seqtrain_text.files import existing, find_text, name_suffix
from seqtrain_text.readers import TaskReader, TextReader
from seqtrain_text.records import Field
from seqtrain_translation.builtin.corpus import SIZES, write_builtin_corpus
from seqtrain_translation.config import TranslationConfig


@dataclass(frozen=True)
class ParallelFiles:
    """
    Two files of which line n of one is the translation of line n of the other; or a table, which is both.

    Args:
        source: the file translated from.
        target: the file translated into.
        readers: take the texts out of each.
        weight: how often an epoch sees them.
    """

    source: Path
    target: Path
    readers: tuple[TextReader, TextReader]
    weight: float = 1.0

    def __str__(self) -> str:
        return str(self.source) if self.source == self.target else f"{self.source} and {self.target.name}"

    def lines(self) -> tuple[Iterator[str], Iterator[str]]:
        """Return the texts as they are written in the files: sources and targets."""
        return self.readers[0](self.source), self.readers[1](self.target)


class ParallelCorpus(Corpus[ParallelFiles]):
    """
    Knows the splits and finds their files, two for each prefix.

    Args:
        config: names them.
        reader: takes records out of them.
        cache: where the built-in corpus is written.
    """

    def __init__(self, config: TranslationConfig, reader: TaskReader, cache: Path) -> None:
        super().__init__(config, BuiltinCorpus(tuple(SIZES), write_builtin_corpus), cache)
        self._reader = reader
        self._config = config

    def files(self, split: str) -> list[ParallelFiles]:
        """
        Find the files of a split.

        Raises:
            DataError: one is missing.
        """
        return [self._find(part) for part in self.parts(split)]

    def _find(self, part: CorpusPart) -> ParallelFiles:
        packed = self._reader.packed
        names = self._config.columns_of_tables
        settings = ("source_column", "target_column")
        if table := self._table(part.path):
            fields = [Field(each, setting) for each, setting in zip(names, settings, strict=True)]
            source, target = (self._reader.at(table, field, is_table=True) for field in fields)
            return ParallelFiles(table, table, (source, target), part.weight)
        paths = [find_text(part.path, language, packed=packed) for language in self._config.languages]
        fields = [Field(("text", *each), setting) for each, setting in zip(names, settings, strict=True)]
        source, target = (self._reader.at(path, field) for path, field in zip(paths, fields, strict=True))
        return ParallelFiles(paths[0], paths[1], (source, target), part.weight)

    def _table(self, name: str) -> Path | None:
        """Return the file of this name, unless it is a prefix, or one side of two."""
        packed, languages = self._reader.packed, self._config.languages
        sides = (Path(f"{name}.{language}").expanduser() for language in languages)
        if any(existing(side, packed=packed) for side in sides) or name_suffix(Path(name))[1:] in languages:
            return None
        return existing(Path(name).expanduser(), packed=packed)

    def lines(self, split: str) -> tuple[Iterator[str], Iterator[str]]:
        """Return the texts of a split as they are written in the files: sources and targets."""
        texts = [each.lines() for each in self.files(split)]
        return chain.from_iterable(source for source, _ in texts), chain.from_iterable(target for _, target in texts)
