"""The files of each split, of the user's corpus or of a built-in one."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from seqtrain.api import ConfigError
from seqtrain_text.corpus_config import CorpusConfig
from seqtrain_text.corpus_parts import CorpusPart
from seqtrain_text.files import find_file
from seqtrain_text.temporary_folder import temporary_folder

logger = logging.getLogger(__name__)

F = TypeVar("F")


@dataclass(frozen=True)
class CorpusFile:
    """
    A file of a corpus.

    Args:
        path: where it is.
        weight: how often an epoch sees it.
    """

    path: Path
    weight: float = 1.0

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class BuiltinCorpus:
    """
    What a task trains on when no files are given.

    Args:
        splits: their names.
        write: writes it below a folder, unless it is there, and returns the path of each split.
    """

    splits: Sequence[str]
    write: Callable[[Path], Mapping[str, str | Path]]


class Corpus(ABC, Generic[F]):
    """
    Knows the splits, and finds their files; F is what stands for one of these.

    Args:
        config: names them.
        builtin: stands in where it names none; None: there is none.
        cache: where that is written.

    Raises:
        ConfigError: neither is there.
    """

    def __init__(self, config: CorpusConfig, builtin: BuiltinCorpus | None, cache: Path) -> None:
        self._builtin, self._cache = builtin, cache
        self._parts: Mapping[str, Sequence[CorpusPart]] = {
            "train": config.parts(),
            **config.sets("valid"),
            **config.sets("test"),
        }
        if config.is_builtin:
            if builtin is None:
                raise ConfigError("This task has no built-in corpus. Set task.train to files of your own.")
            self._parts = dict.fromkeys(builtin.splits, ())  # known once they are written

    def splits(self) -> list[str]:
        """Return the names of the splits."""
        return list(self._parts)

    def parts(self, split: str) -> Sequence[CorpusPart]:
        """Return what a split is put together from; the built-in corpus is written when first asked for."""
        if not self._parts[split] and self._builtin is not None:
            self._parts = {name: (CorpusPart(str(path)),) for name, path in self._builtin.write(self._cache).items()}
        return self._parts[split]

    @abstractmethod
    def files(self, split: str) -> Sequence[F]:
        """
        Find the files of a split.

        Raises:
            DataError: one is missing.
        """


class FileCorpus(Corpus[CorpusFile]):
    """
    A corpus of single files.

    Args:
        config, builtin, cache: see `Corpus`.
        packed: `PATH.gz` stands for `PATH`.
    """

    def __init__(
        self, config: CorpusConfig, builtin: BuiltinCorpus | None, cache: Path, *, packed: bool = True
    ) -> None:
        super().__init__(config, builtin, cache)
        self._packed = packed

    def files(self, split: str) -> list[CorpusFile]:
        """
        Find the files of a split.

        Raises:
            DataError: one is missing.
        """
        return [CorpusFile(find_file(part.path, packed=self._packed), part.weight) for part in self.parts(split)]


def write_corpus(files: Mapping[str, str], folder: Path) -> None:
    """
    Write the files of a built-in corpus, unless the folder is there already; it appears whole or not at all.

    Args:
        files: their texts by name.
        folder: named by their content, so that one that is there is the same.
    """
    if folder.is_dir():
        return
    with temporary_folder(folder.parent, "the built-in corpus") as temporary:
        made = temporary / folder.name
        made.mkdir()
        for name, text in files.items():
            (made / name).write_text(text, encoding="utf-8", newline="\n")
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first, with the same content
                raise
    logger.info("Wrote the built-in corpus to %s", folder)
