"""Tokenizers `word`, `char` and `whitespace`: a rule that splits a line, and a list of what it gives."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
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
from seqtrain_text.words import find_words, find_words_without_marks, join_words

FILE_NAME = "vocabulary.json"
LINES_TO_CHOOSE_BY = 1000


@dataclass(frozen=True)
class SplitRule:
    """
    How a line becomes tokens.

    Args:
        split: from a line to its tokens.
        join: from tokens to a line.
    """

    split: Callable[[str], list[str]]
    join: Callable[[Sequence[str]], str]

    def num_restored(self, lines: Iterable[str]) -> int:
        """Count the lines that come back from their tokens."""
        return sum(self.join(self.split(line)) == line for line in lines)


def word(config: WordConfig) -> Symbols:
    """Make a tokenizer of words and marks; decoding spaces them as is usual, or all, whichever the text does."""
    rules = SplitRule(find_words_without_marks, " ".join), SplitRule(find_words, join_words)
    return Symbols(config, *rules, SplitRule(find_words, " ".join), retired=1)


def char(config: CharConfig) -> Symbols:
    """Make a tokenizer of Unicode code points."""
    return Symbols(config, SplitRule(list, "".join))


def whitespace(config: WhitespaceConfig) -> Symbols:
    """Make a tokenizer of what stands between spaces; decoding puts one space between any two, less the joiner."""
    return Symbols(config, SplitRule(split_at_spaces, lambda tokens: undo_joiner(" ".join(tokens), config.joiner)))


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
        rules: all that vocabularies were ever learned by, oldest first.
        retired: of the first so many no vocabulary is learned any more.
    """

    padding, bos, eos, unknown = PADDING, BOS, EOS, UNKNOWN

    def __init__(self, config: WordConfig | CharConfig | WhitespaceConfig, *rules: SplitRule, retired: int = 0) -> None:
        self._config = config
        self._rules = dict(enumerate(rules, start=1))
        self._usable = range(1 + retired, 1 + len(rules))
        self._use(list(SPECIAL_TOKENS), self._usable[0])

    def _use(self, tokens: list[str], rule: int) -> None:
        """
        Take over a vocabulary. A special token's name in a text is text, so it gets no id from there.

        Args:
            tokens: by id.
            rule: the number, from 1, of the rule that it was learned by.
        """
        self._rule = rule
        self._split, self._join = self._rules[rule].split, self._rules[rule].join
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
        rule = [self._rule] if self._rule > 1 else []
        return digest(json.dumps([type(self._config).__name__, *rule, self._tokens]).encode())

    def train(self, lines: Iterable[str]) -> None:
        """
        Count the tokens of all lines and keep the most frequent; equally frequent ones by name.

        Of several rules, the one that gives most of the first lines back is taken.
        """
        remaining = iter(lines)
        first = list(islice(remaining, LINES_TO_CHOOSE_BY))
        rule = max(self._usable, key=lambda number: self._rules[number].num_restored(first))
        counts = Counter(chain.from_iterable(map(self._rules[rule].split, chain(first, remaining))))
        if not counts:
            raise DataError(
                "There is no text to learn a vocabulary from: every line is empty. Check the training files."
            )
        for special in SPECIAL_TOKENS:
            counts.pop(special, None)
        frequent = [(-count, token) for token, count in counts.items() if count >= self._config.min_count]
        size = self._config.vocab_size
        room = None if size is None else size - len(SPECIAL_TOKENS)
        self._use([*SPECIAL_TOKENS, *(token for _, token in sorted(frequent)[:room])], rule)

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
        """
        Write the tokens in the order of their ids.

        Each stands on a line, indented by one blank for each rule that is older than the one they were learned by. So
        the list has nothing but tokens, and a vocabulary from before there was a second rule is one of the first.
        """
        content = json.dumps(self._tokens, ensure_ascii=False, indent=self._rule - 1)
        write_whole(folder / FILE_NAME, content.encode())

    def load(self, folder: Path) -> None:
        """Read the tokens, which go on being split by the rule that they were learned by."""
        path = folder / FILE_NAME
        content = read_saved(path)
        try:
            tokens = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise damaged(path, error) from error
        check_vocabulary(tokens, path)
        first_line = content.partition(b"\n")[2]
        rule = 1 + len(first_line) - len(first_line.lstrip(b" "))
        if rule not in self._rules:
            raise damaged(path, f"its lines are indented by {rule - 1} blanks, which stands for no rule")
        self._use(tokens, rule)
