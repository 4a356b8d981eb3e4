"""The tokenizers of the two sides: made from the text, kept in the run folder, and loaded from there."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from seqtrain.api import Tokenizer

MakeTokenizer = Callable[[], Tokenizer]
FOLDER_NAME = "tokenizers"


@dataclass(frozen=True)
class TokenizerPair:
    """
    The tokenizers of the two sides; one and the same where the vocabulary is shared.

    Args:
        source: of the language translated from.
        target: of the language translated into.
    """

    source: Tokenizer
    target: Tokenizer

    @property
    def is_shared(self) -> bool:
        """Both sides have the same vocabulary."""
        return self.source is self.target

    def by_name(self) -> dict[str, Tokenizer]:
        """Return each tokenizer by the name of its folder."""
        return {"shared": self.source} if self.is_shared else {"source": self.source, "target": self.target}


def new_tokenizers(make: MakeTokenizer, *, shared: bool) -> TokenizerPair:
    """Make tokenizers that are neither trained nor loaded yet."""
    source = make()
    return TokenizerPair(source, source if shared else make())


def train_tokenizers(pair: TokenizerPair, sources: Iterable[str], targets: Iterable[str]) -> None:
    """Train a shared tokenizer on the text of both sides, or each on its own."""
    if pair.is_shared:
        pair.source.train(chain(sources, targets))
    else:
        pair.source.train(sources)
        pair.target.train(targets)


def save_tokenizers(pair: TokenizerPair, artifacts: Path) -> None:
    """Save both; whoever is stopped meanwhile leaves nothing that `has_tokenizers` takes for whole."""
    artifacts.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=artifacts, prefix=".unfinished-") as temporary:
        unfinished = Path(temporary) / FOLDER_NAME
        for name, tokenizer in pair.by_name().items():
            tokenizer.save(unfinished / name)
        unfinished.rename(artifacts / FOLDER_NAME)


def has_tokenizers(artifacts: Path) -> bool:
    """Say whether `save_tokenizers` has been here."""
    return (artifacts / FOLDER_NAME).is_dir()


def load_tokenizers(pair: TokenizerPair, artifacts: Path) -> None:
    """
    Load what `save_tokenizers` wrote.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    for name, tokenizer in pair.by_name().items():
        tokenizer.load(artifacts / FOLDER_NAME / name)
