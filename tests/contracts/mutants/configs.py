"""Settings of mutants; here nothing heavy may be imported."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import option


@dataclass(frozen=True, kw_only=True)
class WordTaskConfig:
    """Settings of the tasks, without a mistake."""

    folder: str = option("corpus", help="folder with train and valid, each in .en and .de")


@dataclass(frozen=True, kw_only=True)
class NoHelp:
    """A setting of which nothing is said."""

    weight: float = 1.0


@dataclass
class NotFrozen:
    """A setting that can be changed after it was checked."""

    weight: float = option(1.0, help="weight", ge=0)


@dataclass(frozen=True, kw_only=True)
class DefaultOutOfRange:
    """A setting whose default is outside its own range."""

    weight: float = option(-1.0, help="weight", ge=0)
