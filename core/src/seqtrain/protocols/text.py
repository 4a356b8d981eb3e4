"""What a task that reads text is handed: a reader of files, a tokenizer, metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Rows = tuple[NDArray[np.int32], NDArray[np.int64]]
"""Token ids of several lines, one after the other, and the number of ids of each line."""


@runtime_checkable
class Tokenizer(Protocol):
    """
    Turns lines into token ids and back; called with its config, then trained or loaded once.

    Only `config` is needed to load, and nothing outside the folder that `save` wrote.
    """

    @property
    def vocab_size(self) -> int:
        """V: every id lies in [0, V)."""
        ...

    @property
    def padding(self) -> int:
        """The id that fills up rows of a batch."""
        ...

    @property
    def bos(self) -> int:
        """The id that starts a sentence."""
        ...

    @property
    def eos(self) -> int:
        """The id that ends a sentence."""
        ...

    @property
    def unknown(self) -> int:
        """The id of what has no other."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides how lines are encoded."""
        ...

    def train(self, lines: Iterable[str]) -> None:
        """
        Learn a vocabulary; the same lines give the same vocabulary.

        Raises:
            ConfigError: a setting does not fit the text.
            DataError: there is no text, or a file named by the config cannot be read.
        """
        ...

    def encode_batch(self, lines: Sequence[str]) -> Rows:
        """Return the ids of all lines, without bos and eos, and how many each line has."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of one line; padding, bos and eos are left out."""
        ...

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the name of each id."""
        ...

    def vocabulary(self) -> list[str]:
        """Return the names of all V ids."""
        ...

    def save(self, folder: Path) -> None:
        """Write it into a folder, which is made if need be."""
        ...

    def load(self, folder: Path) -> None:
        """
        Take over what `save` wrote.

        Raises:
            CheckpointError: it is missing or damaged.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class NamedIds:
    """
    What ids stand for, so that models can be compared that number things differently.

    Args:
        names: of the ids from 0 on; one that nothing uses has the empty name.
        roles: ids with a purpose of their own, such as {"padding": 0, "mask": 512}. They are told by it, whatever
            their names are; where an id has several, by the first.
    """

    names: Sequence[str]
    roles: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> NamedIds:
        """Name the ids of a tokenizer that was trained or loaded."""
        roles = {
            "padding": tokenizer.padding,
            "eos": tokenizer.eos,
            "bos": tokenizer.bos,
            "unknown": tokenizer.unknown,
        }
        return cls(names=tokenizer.vocabulary(), roles=roles)


Record = Mapping[str, Any]
"""
What a file says of one example, by the names of its fields: `text`; `text_b`, where there are two; `source` and
`target`, of a translation; `label`; or the names that the file itself has, of which the settings of a task choose.
"""


class Reader(Protocol):
    """Takes examples out of files of some format; called with its config."""

    def __call__(self, path: Path, /) -> Iterator[str | Record]:
        """
        Yield what a file says of its examples, in their order, the same at every call.

        A text alone stands for the record that has it as `text`.

        Raises:
            DataError: the file cannot be read or is not of the format; the message names the line.
        """
        ...


class Metric(Protocol):
    """Compares what a model predicts with what was expected; called with its config."""

    @property
    def higher_is_better(self) -> frozenset[str]:
        """The measures of which more is better; the others are better when smaller."""
        ...

    def __call__(self, predictions: Sequence[str], references: Sequence[str], /) -> Mapping[str, float]:
        """
        Measure a whole set.

        Args:
            predictions: one text for each example, at least one.
            references: as many, in the same order.

        Returns:
            Finite numbers by name, such as {"ter": 41.2}.
        """
        ...


@runtime_checkable
class MeasuresResults(Protocol):
    """
    A metric that needs more than texts, such as log-probabilities or numbers of labels; called with its config.

    It is handed what its task found out about a split: an object of a class that the package of the task defines.
    """

    @property
    def higher_is_better(self) -> frozenset[str]:
        """The measures of which more is better; the others are better when smaller."""
        ...

    @property
    def measured_types(self) -> tuple[type, ...]:
        """The classes of results that it can measure; a task that has results of no such class refuses the metric."""
        ...

    def measure(self, results: Any, /) -> Mapping[str, float]:
        """Measure the results of a whole split: finite numbers by name."""
        ...


@runtime_checkable
class DescribesMeasures(Protocol):
    """A metric of either form that can say how its measures were taken."""

    def describe_measures(self) -> Mapping[str, str]:
        """Describe the latest measures, by name, such as the signature of a BLEU score."""
        ...
