"""The tables of each split, of the user's corpus or of the built-in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seqtrain_classify.builtin import SPLITS, write_builtin_corpus
from seqtrain_classify.config import ClassifyConfig
from seqtrain_text.corpus_parts import CorpusPart
from seqtrain_text.files import find_file


@dataclass(frozen=True)
class TableFile:
    """
    A table.

    Args:
        path: where it is.
        weight: how often an epoch sees it.
    """

    path: Path
    weight: float = 1.0


class Corpus:
    """
    Knows the splits and finds their files.

    Args:
        config: names them.
        cache: where the built-in corpus is written.
    """

    def __init__(self, config: ClassifyConfig, cache: Path) -> None:
        self._cache = cache
        self._is_builtin = config.train is None
        self._parts: Mapping[str, Sequence[CorpusPart]] = {
            "train": config.parts(),
            **config.sets("valid"),
            **config.sets("test"),
        }
        if self._is_builtin:
            self._parts = dict.fromkeys(SPLITS, ())  # known once they are written

    def splits(self) -> list[str]:
        """Return the names of the splits."""
        return list(self._parts)

    def files(self, split: str) -> list[TableFile]:
        """
        Find the files of a split.

        Raises:
            DataError: one is missing.
        """
        if self._is_builtin and not self._parts[split]:
            written = write_builtin_corpus(self._cache)
            self._parts = {name: (CorpusPart(str(path)),) for name, path in written.items()}
        return [TableFile(find_file(part.path), part.weight) for part in self._parts[split]]
