"""How sentencepiece models draw the splits of training text: BPE-dropout and subword regularisation."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
import sentencepiece

from seqtrain.api import Rows
from seqtrain_text.bpe_dropout import Merges, merge_words
from seqtrain_text.flat_rows import FlatRows
from seqtrain_text.hashed_rng import Seeds, uniform, word_seeds
from seqtrain_text.tokenizer import UNKNOWN

CACHED_WORDS = 100_000
LIKELIEST_WAYS = 64  # to split a word; of most words these are all that count
CACHED_WAYS = 20_000  # words whose ways are remembered; some 100 MB
WORD_MARK = "\u2581"  # stands for a space in pieces


class DrawWords(Protocol):
    """Draws the splits of words; an empty word stands between two blanks."""

    def __call__(self, words: Sequence[str], seeds: Seeds) -> FlatRows:
        """Return the ids of each word's pieces; its seed decides on the split."""
        ...


def draw_lines(draw: DrawWords, lines: Sequence[str], key: object) -> Rows:
    """
    Return the ids of lines whose words' splits are drawn.

    Neither kind of model has a piece that goes on after a space, so a line's split is that of its words.

    Args:
        draw: draws the splits of words.
        lines: the lines.
        key: other keys, other splits.
    """
    split = [line.split(" ") if line and is_sum_of_words(line) else [line] * bool(line) for line in lines]
    num_words = np.fromiter(map(len, split), np.int64, len(split))
    rows = draw([word for words in split for word in words], word_seeds(lines, num_words, key))
    ends = np.concatenate([[0], np.cumsum(rows.lengths)])[np.concatenate([[0], np.cumsum(num_words)])]
    return rows.tokens, np.diff(ends)


def is_sum_of_words(text: str) -> bool:
    """Say whether words have the same pieces alone as in this text: alone, one loses a mark or line end at its end."""
    return WORD_MARK not in text and "\n" not in text


class DropoutWords:
    """
    Merges words with BPE-dropout.

    Args:
        processor: of a BPE model.
        dropout: the share of merges that is left out.
    """

    def __init__(self, processor: sentencepiece.SentencePieceProcessor, dropout: float) -> None:
        self._processor, self._dropout = processor, dropout
        ids = range(processor.get_piece_size())
        has_text = [not (processor.is_control(each) or processor.is_unknown(each)) for each in ids]
        pieces = [str(processor.id_to_piece(each)) if text else None for each, text in zip(ids, has_text, strict=True)]
        self._merges = Merges(pieces, [processor.get_score(each) for each in ids])
        self._blank = WORD_MARK if processor.encode(" ") else ""  # whether the model keeps each blank
        self._characters: dict[str, bytes] = {}  # ids of those of a word in its normal form, as int32 numbers

    def __call__(self, words: Sequence[str], seeds: Seeds) -> FlatRows:
        """Return the ids of each word's pieces."""
        self._learn(set(words))
        characters = [self._characters[word] for word in words]
        lengths = np.fromiter(map(len, characters), np.int64, len(characters)) // np.dtype(np.int32).itemsize
        rows = merge_words(
            FlatRows(np.frombuffer(b"".join(characters), np.int32), lengths), self._merges, self._dropout, seeds
        )
        return _unknown_once(rows)

    def _learn(self, words: set[str]) -> None:
        """Look up the characters of words not seen yet."""
        new = [word for word in words if word not in self._characters]
        if len(self._characters) + len(new) > CACHED_WORDS:
            self._characters, new = {}, list(words)
        for word, pieces in zip(new, self._processor.encode(new, out_type=str), strict=True):
            ids = [self._merges.ids.get(character, UNKNOWN) for character in "".join(pieces) or self._blank]
            self._characters[word] = np.array(ids, np.int32).tobytes()


class SampledWords:
    """
    Draws words' splits from the likeliest ones.

    Args:
        processor: of a unigram model.
        alpha: a split of probability p is drawn in proportion to p ** alpha.
    """

    def __init__(self, processor: sentencepiece.SentencePieceProcessor, alpha: float) -> None:
        self._processor, self._alpha = processor, alpha
        self._scores = np.array([processor.get_score(each) for each in range(processor.get_piece_size())])
        self._scores[UNKNOWN] = self._scores.min() - 10  # as sentencepiece itself has it
        self._ways = lru_cache(CACHED_WAYS)(self._find_ways)

    def __call__(self, words: Sequence[str], seeds: Seeds) -> FlatRows:
        """Return the ids of each word's pieces."""
        drawn = [self._draw(word, share) for word, share in zip(words, uniform(seeds, 0).tolist(), strict=True)]
        lengths = np.fromiter(map(len, drawn), np.int64, len(drawn)) // np.dtype(np.int32).itemsize
        return FlatRows(np.frombuffer(b"".join(drawn), np.int32), lengths)

    def _draw(self, word: str, share: float) -> bytes:
        splits, up_to = self._ways(word)
        return splits[min(bisect(up_to, share), len(splits) - 1)]

    def _find_ways(self, word: str) -> tuple[list[bytes], list[float]]:
        """Return a word's likeliest splits, as int32 numbers, and which share of all draws is up to each."""
        between_blanks = self._processor.encode(" ")[:1]  # nothing, where the model does not keep each blank
        splits = self._processor.nbest_encode_as_ids(word, LIKELIEST_WAYS) if word else [between_blanks]
        scores = self._alpha * np.array([self._scores[ids].sum() for ids in splits])
        weights = np.exp(scores - scores.max())
        shares = np.cumsum(weights) / weights.sum()
        return [np.array(ids, np.int32).tobytes() for ids in splits], shares.tolist()


def _unknown_once(rows: FlatRows) -> FlatRows:
    """Leave one of several unknown characters in a row, as sentencepiece does."""
    is_unknown = rows.tokens == UNKNOWN
    ends = np.cumsum(rows.lengths)
    goes_on = np.ones(len(rows.tokens) + 1, bool)
    goes_on[ends - rows.lengths] = False  # a word's first
    again = is_unknown & np.append(False, is_unknown[:-1]) & goes_on[:-1]
    lost = np.concatenate([[0], np.cumsum(again)])
    return FlatRows(rows.tokens[~again], rows.lengths - (lost[ends] - lost[ends - rows.lengths]))
