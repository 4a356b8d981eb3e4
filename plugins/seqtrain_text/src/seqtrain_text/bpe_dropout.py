"""
BPE-dropout (Provilkov et al., 2020): a word's characters are merged as always, but each merge is left out by chance.

Many words are merged at once, each in a row of its own. N words, L characters of the longest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from seqtrain_text.flat_rows import FlatRows
from seqtrain_text.hashed_rng import Seeds, uniform
from seqtrain_text.padded import pad_rows

Ids = NDArray[np.int32]

_NONE = -1
_NEVER = -np.inf


class Merges:
    """
    Which pieces merge, into which, and which merge is first.

    Args:
        pieces: names by id; None for ids that no text has, such as padding.
        scores: (V,) of two merges, that into the piece of the higher score is made first.
    """

    def __init__(self, pieces: Sequence[str | None], scores: Sequence[float]) -> None:
        self._scores = np.append(np.array(scores, np.float32), _NEVER)  # at the end for `_NONE`
        self._size = len(pieces)
        self.ids = {piece: index for index, piece in enumerate(pieces) if piece is not None}
        found = [
            (self.ids[piece[:cut]] * self._size + self.ids[piece[cut:]], merged)
            for piece, merged in self.ids.items()
            for cut in range(1, len(piece))
            if piece[:cut] in self.ids and piece[cut:] in self.ids
        ]
        keys, merged = np.array([(-1, _NONE), *sorted(found)], np.int64).T
        self._keys, self._merged = keys, merged.astype(np.int32)

    def find(self, left: Ids, right: Ids) -> tuple[Ids, NDArray[np.float32]]:
        """Return what each pair merges into, and the score of that; `_NONE` and minus infinity where it does not."""
        keys = left.astype(np.int64) * self._size + right
        keys[(left < 0) | (right < 0)] = -1
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        merged = np.where(self._keys[places] == keys, self._merged[places], _NONE).astype(np.int32)
        return merged, self._scores[merged]


def merge_words(words: FlatRows, merges: Merges, dropout: float, seeds: Seeds) -> FlatRows:
    """
    Merge the characters of words.

    Args:
        words: the ids of N words' characters.
        merges: which there are.
        dropout: the share that is left out.
        seeds: (N,) decide which.

    Returns:
        The ids of the words' pieces.
    """
    order = np.argsort(words.lengths, kind="stable")
    pieces = [
        _merge_rows(words.take(chosen), merges, dropout, seeds[chosen])
        for chosen in _similar_lengths(order, words.lengths)
    ]
    joined = FlatRows(
        np.concatenate([np.empty(0, np.int32), *(each.tokens for each in pieces)]),
        np.concatenate([np.empty(0, np.int64), *(each.lengths for each in pieces)]),
    )
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return joined.take(back)


def _similar_lengths(order: NDArray[np.int64], lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Cut the words, ascending in length, into parts in which none is much longer than another."""
    longest = 4
    while len(order):
        stop = int(np.searchsorted(lengths[order], longest, side="right"))
        if stop:
            yield order[:stop]
        order, longest = order[stop:], 2 * longest


def _merge_rows(words: FlatRows, merges: Merges, dropout: float, seeds: Seeds) -> FlatRows:
    """Merge the characters of words of similar length: the best merge of each word, then the next best, and so on."""
    rows = pad_rows(words.tokens, words.lengths, _NONE)  # (N, L)
    rows = np.pad(rows, ((0, 0), (0, 2)), constant_values=_NONE)  # so that every piece has two after it
    lengths = words.lengths.copy()
    _, scores = merges.find(rows[:, :-1], rows[:, 1:])  # (N, L + 1): of each piece with the next one
    going = np.arange(len(rows))
    draw = 0
    while len(going):
        best = scores[going].argmax(1)
        can_merge = scores[going, best] > _NEVER
        going, best = going[can_merge], best[can_merge]
        skipped_steps = uniform(seeds[going], draw) < dropout
        scores[going[skipped_steps], best[skipped_steps]] = _NEVER  # until one of the two becomes another piece
        _merge(rows, scores, going[~skipped_steps], best[~skipped_steps], merges)
        lengths[going[~skipped_steps]] -= 1
        draw += 1
    return FlatRows(rows[rows != _NONE], lengths)


def _merge(
    rows: Ids, scores: NDArray[np.float32], which: NDArray[np.int64], at: NDArray[np.int64], merges: Merges
) -> None:
    """Merge, in place, piece `at[i]` of row `which[i]` with the next one, and score it with its new neighbours."""
    merged, _ = merges.find(rows[which, at], rows[which, at + 1])
    columns = np.arange(scores.shape[1] - 1)
    source = columns + (columns > at[:, None])
    scores[which[:, None], columns] = scores[which[:, None], source]
    rows[which[:, None], columns] = rows[which[:, None], source]
    rows[which, at] = merged
    _, scores[which, at] = merges.find(merged, rows[which, at + 1])
    inner = at > 0
    which, at, merged = which[inner], at[inner], merged[inner]
    _, scores[which, at - 1] = merges.find(rows[which, at - 1], merged)
