"""The tokenizers of the two sides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from seqtrain.api import Tokenizer
from seqtrain_text.tokenizer_io import MakeTokenizer


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
