"""The files of each split, of the user's corpus or of the built-in one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from seqtrain_lm.builtin import SPLITS, write_builtin_corpus
from seqtrain_lm.config import LMConfig
from seqtrain_text.corpus import BuiltinCorpus, FileCorpus
from seqtrain_text.readers import TextReader


class TextCorpus(FileCorpus):
    """
    Knows the splits and finds their files.

    Args:
        config: names them.
        reader: takes texts out of them.
        cache: where the built-in corpus is written.
    """

    def __init__(self, config: LMConfig, reader: TextReader, cache: Path) -> None:
        super().__init__(config, BuiltinCorpus(SPLITS, write_builtin_corpus), cache, packed=reader.packed)
        self._reader = reader

    def lines(self, split: str) -> Iterator[str]:
        """Return the lines of a split."""
        return chain.from_iterable(self._reader(each.path) for each in self.files(split))
