"""The files of each split, of the user's corpus or of the built-in one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from seqtrain_text.corpus_parts import CorpusPart
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


class Corpus:
    """
    Knows the splits and finds their files.

    Args:
        config: names them.
        reader: finds the files and takes texts out of them.
        cache: where the built-in corpus is written.
    """

    def __init__(self, config: TranslationConfig, reader: TextReader, cache: Path) -> None:
        self.reader = reader
        self._languages = config.languages
        self._cache = cache
        self._parts: dict[str, Sequence[CorpusPart]] = {
            "train": config.parts(),
            **config.sets("valid"),
            **config.sets("test"),
        }
        self._is_builtin = config.train is None
        if self._is_builtin:
            self._parts = dict.fromkeys(SIZES, ())  # known once they are written

    def splits(self) -> list[str]:
        """Return the names of the splits."""
        return list(self._parts)

    def files(self, split: str) -> list[ParallelFiles]:
        """
        Find the files of a split.

        Raises:
            DataError: one is missing.
        """
        if self._is_builtin and not self._parts[split]:
            prefixes = write_builtin_corpus(self._cache)
            self._parts = {name: (CorpusPart(prefix),) for name, prefix in prefixes.items()}
        source, target = self._languages
        return [
            ParallelFiles(self.reader.find(part.path, source), self.reader.find(part.path, target), part.weight)
            for part in self._parts[split]
        ]

    def lines(self, split: str) -> tuple[Iterator[str], Iterator[str]]:
        """Return the texts of a split as they are written in the files: sources and targets."""
        files = self.files(split)
        return (
            chain.from_iterable(self.reader(each.source) for each in files),
            chain.from_iterable(self.reader(each.target) for each in files),
        )
