"""What a task on made-up data has in common with others: there is no text, so nothing to learn, keep or predict."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from torch import nn

from seqtrain.api import ConfigError, Rows, Task
from seqtrain_text.dummy_config import DummyConfig
from seqtrain_text.tokenizer import BOS, EOS, PADDING, SPECIAL_TOKENS, UNKNOWN, digest

logger = logging.getLogger(__name__)


class DummyTask(Task):
    """
    A part of a task, before the task itself among the bases of a class: the data is made up, and the loss is all.

    What the data looks like is up to the class, which gives `new_dataset`.
    """

    best_metric = "loss"

    @property
    @abstractmethod
    def dummy(self) -> DummyConfig:
        """How the data is made up."""

    def prepare(self, artifacts: Path, cache: Path) -> None:
        """Say that the data is made up."""
        logger.warning("The data is made up, %s examples of random tokens: nothing can be learned", self.dummy.examples)

    def load(self, artifacts: Path, cache: Path) -> None:
        """Do nothing: all is known from the settings."""

    def splits(self) -> Sequence[str]:
        """Return the names of the splits."""
        return list(self.dummy.counts)

    def measure(self, split: str, models: Sequence[nn.Module]) -> Mapping[str, float]:
        """Return nothing: there are no texts, of which more than the loss could be measured."""
        return {}

    def predict(self, models: Sequence[nn.Module], lines: Iterable[str]) -> Iterator[str]:
        """Refuse to."""
        raise no_text()


class DummyTokenizer:
    """
    Ids that stand for nothing.

    Args:
        vocab_size: how many there are.
    """

    padding, bos, eos, unknown = PADDING, BOS, EOS, UNKNOWN

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        self.fingerprint = digest(f"made up {vocab_size}".encode())

    def train(self, lines: Iterable[str]) -> None:
        """Do nothing."""

    def encode_batch(self, lines: Sequence[str]) -> Rows:
        """Refuse to."""
        raise no_text()

    def decode(self, ids: Sequence[int]) -> str:
        """Return the names of ids that are not special."""
        return " ".join(self.tokens([each for each in ids if each >= len(SPECIAL_TOKENS)]))

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the name of each id."""
        return [SPECIAL_TOKENS[each] if each < len(SPECIAL_TOKENS) else f"<made-up {each}>" for each in ids]

    def vocabulary(self) -> list[str]:
        """Return all names."""
        return self.tokens(range(self.vocab_size))

    def save(self, folder: Path) -> None:
        """Do nothing."""

    def load(self, folder: Path) -> None:
        """Do nothing."""


def no_text() -> ConfigError:
    """Say why a run on made-up data takes no text."""
    return ConfigError(
        "This run was trained on made-up data (task.dummy.examples): its ids stand for no text, so it can predict "
        "nothing. Train a run on files, with task.train."
    )
