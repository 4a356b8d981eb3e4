"""Tokenizers `word`, `char` and `whitespace`: a rule that splits a line, and a list of what it gives."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from seqtrain.api import DataError, Rows
from seqtrain_text.config import CharConfig, WhitespaceConfig, WordConfig
from seqtrain_text.joiner import undo_joiner
from seqtrain_text.tokenizer import (
    BOS,
    EOS,
    PADDING,
    SPECIAL_TOKENS,
    UNKNOWN,
    check_vocabulary,
    damaged,
    digest,
    read_saved,
    write_whole,
)

FILE_NAME = "vocabulary.json"

find_words: Callable[[str], list[str]] = re.compile(r"\w+|[^\w\s]").findall


def word(config: WordConfig) -> Symbols:
    """Make a tokenizer of words and marks; decoding puts a space between any two."""
    return Symbols(config, split=find_words, join=" ".join)


def char(config: CharConfig) -> Symbols:
    """Make a tokenizer of Unicode code points."""
    return Symbols(config, split=list, join="".join)


def whitespace(config: WhitespaceConfig) -> Symbols:
    """Make a tokenizer of what stands between spaces; decoding puts one space between any two, less the joiner."""
    return Symbols(config, split=split_at_spaces, join=lambda tokens: undo_joiner(" ".join(tokens), config.joiner))


def split_at_spaces(line: str) -> list[str]:
    """Split at U+0020 and no other space; several in a row count as one."""
    tokens = line.split(" ")
    return [token for token in tokens if token] if "" in tokens else tokens


class _Ids(dict[str, int]):
    """The ids of tokens; any other token is unknown."""

    def __missing__(self, token: str) -> int:
        return UNKNOWN


class Symbols:
    """
    A tokenizer that splits by a rule and knows the most frequent of the results.

    Args:
        config: how many it knows.
        split: the rule, from a line to its tokens.
        join: from tokens to a line.
    """

    padding, bos, eos, unknown = PADDING, BOS, EOS, UNKNOWN

    def __init__(
        self,
        config: WordConfig | CharConfig | WhitespaceConfig,
        *,
        split: Callable[[str], list[str]],
        join: Callable[[Sequence[str]], str],
    ) -> None:
        self._config = config
        self._split = split
        self._join = join
        self._use(list(SPECIAL_TOKENS))

    def _use(self, tokens: list[str]) -> None:
        """Take over a vocabulary. A special token's name in a text is text, so it gets no id from there."""
        self._tokens = tokens
        first = len(SPECIAL_TOKENS)
        self._ids = _Ids(zip(tokens[first:], range(first, len(tokens)), strict=True))

    @property
    def vocab_size(self) -> int:
        """V."""
        return len(self._tokens)

    @property
    def fingerprint(self) -> str:
        """A hash of the rule and the vocabulary."""
        return digest(json.dumps([type(self._config).__name__, self._tokens]).encode())

    def train(self, lines: Iterable[str]) -> None:
        """Count the tokens of all lines and keep the most frequent; equally frequent ones by name."""
        counts = Counter(chain.from_iterable(map(self._split, lines)))
        if not counts:
            raise DataError(
                "There is no text to learn a vocabulary from: every line is empty. Check the training files."
            )
        for special in SPECIAL_TOKENS:
            counts.pop(special, None)
        frequent = [(-count, token) for token, count in counts.items() if count >= self._config.min_count]
        size = self._config.vocab_size
        room = None if size is None else size - len(SPECIAL_TOKENS)
        self._use([*SPECIAL_TOKENS, *(token for _, token in sorted(frequent)[:room])])

    def encode_batch(self, lines: Sequence[str]) -> Rows:
        """Return the ids of all lines and how many each has."""
        rows = [self._split(line) for line in lines]
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        ids = map(self._ids.__getitem__, chain.from_iterable(rows))
        return np.fromiter(ids, np.int32, int(lengths.sum())), lengths

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of one line."""
        return self._join(self.tokens([i for i in ids if i not in (PADDING, BOS, EOS)]))

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the token of each id."""
        return [self._tokens[i] for i in ids]

    def vocabulary(self) -> list[str]:
        """Return all tokens."""
        return list(self._tokens)

    def save(self, folder: Path) -> None:
        """Write the tokens in the order of their ids."""
        write_whole(folder / FILE_NAME, json.dumps(self._tokens, ensure_ascii=False, indent=0).encode())

    def load(self, folder: Path) -> None:
        """Read the tokens."""
        path = folder / FILE_NAME
        try:
            tokens = json.loads(read_saved(path))
        except (ValueError, RecursionError) as error:
            raise damaged(path, error) from error
        check_vocabulary(tokens, path)
        self._use(tokens)
