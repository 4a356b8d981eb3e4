"""The files of each split, of the user's corpus or of the built-in one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from seqtrain_text.corpus import BuiltinCorpus, Corpus
from seqtrain_text.files import find_text
from seqtrain_text.readers import TextReader
from seqtrain_translation.builtin.corpus import SIZES, write_builtin_corpus
from seqtrain_translation.config import TranslationConfig


@dataclass(frozen=True)
class ParallelFiles:
    """
    Two files of which line n of one is the translation of line n of the other.

    Args:
        source: the file translated from.
        target: the file translated into.
        weight: how often an epoch sees them.
    """

    source: Path
    target: Path
    weight: float = 1.0

    def __str__(self) -> str:
        return f"{self.source} and {self.target.name}"


class ParallelCorpus(Corpus[ParallelFiles]):
    """
    Knows the splits and finds their files, two for each prefix.

    Args:
        config: names them.
        reader: takes texts out of them.
        cache: where the built-in corpus is written.
    """

    def __init__(self, config: TranslationConfig, reader: TextReader, cache: Path) -> None:
        super().__init__(config, BuiltinCorpus(tuple(SIZES), write_builtin_corpus), cache)
        self._reader = reader
        self._languages = config.languages

    def files(self, split: str) -> list[ParallelFiles]:
        """
        Find the files of a split.

        Raises:
            DataError: one is missing.
        """
        source, target = self._languages
        packed = self._reader.packed
        return [
            ParallelFiles(
                find_text(part.path, source, packed=packed), find_text(part.path, target, packed=packed), part.weight
            )
            for part in self.parts(split)
        ]

    def lines(self, split: str) -> tuple[Iterator[str], Iterator[str]]:
        """Return the texts of a split as they are written in the files: sources and targets."""
        files = self.files(split)
        return (
            chain.from_iterable(self._reader(each.source) for each in files),
            chain.from_iterable(self._reader(each.target) for each in files),
        )
