"""
A Transformer's memory while it decodes.

B sentences, W rows (beam) of each, S source positions, L target positions so far, T new ones, H heads, K size of one
head. Where keys and values have fewer heads, H counts those.

Rows move often: a beam search lets several rows go on from one, and drops others. Moving keys and values with them
would cost more than attention itself. So they stay in the row that read them, a sentence's rows read each other's, and
a mask says whose. Only the table behind that mask moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the name all torch code has for it
from torch import Tensor

from seqtrain_transformer.attention import KeyValues

GROWTH = 32  # positions that a cache grows by at least


class KeyValueCache:
    """
    Keys and values of the target positions so far, for one self-attention layer.

    There is room for more positions than are filled, so that a step copies none of the earlier ones.

    Args:
        beam: W.
    """

    def __init__(self, beam: int) -> None:
        self._beam = beam
        self._length = 0  # L
        self._room = torch.empty(2, 0, 0, 0, beam, 0)  # keys and values: (2, B, H, capacity, W, K)

    def append(self, new: KeyValues) -> KeyValues:
        """Add positions (B*W, H, T, K) and return all so far, (B, H, L*W, K) each; `new.keep` is for those."""
        start, self._length = self._length, self._length + new.keys.shape[2]
        if self._length > self._room.shape[3]:
            self._grow(new.keys, max(self._length, 2 * start, GROWTH))
        for room, added in zip(self._room, new[:2], strict=True):
            by_sentence = added.view(-1, self._beam, *added.shape[1:])  # (B, W, H, T, K)
            room[:, :, start : self._length] = by_sentence.permute(0, 2, 3, 1, 4)  # (B, H, T, W, K)
        keys, values = self._room[:, :, :, : self._length].flatten(3, 4)  # (B, H, L*W, K), not a copy
        return KeyValues(keys, values, new.keep)

    def select(self, sentences: Tensor) -> None:
        """Go on with these sentences only, (B',) int64."""
        self._room = self._room.index_select(1, sentences)

    def widen(self, beam: int) -> None:
        """Go from one row a sentence to `beam`; what there is stays in the first, and no others' are to be read."""
        self._room = F.pad(self._room, (0, 0, 0, beam - self._beam))  # zeros: masked or not, nothing may be NaN
        self._beam = beam

    def _grow(self, like: Tensor, capacity: int) -> None:
        rows, heads, _, size = like.shape
        room = like.new_empty(2, rows // self._beam, heads, capacity, self._beam, size)
        filled = self._room.shape[3]
        if filled:
            room[:, :, :, :filled] = self._room
        self._room = room


class TransformerState:
    """
    The source as each layer reads it, if there is one, and the target so far.

    Args:
        num_layers: layers with self-attention.
        num_sentences: B.
        beam: W, rows of each sentence.
        device: where they are.
        source: for each layer, keys and values of B sentences; empty where there is no source.
    """

    def __init__(
        self,
        *,
        num_layers: int,
        num_sentences: int,
        beam: int,
        device: torch.device,
        source: Sequence[KeyValues] = (),
    ) -> None:
        self.source = source
        self.target = [KeyValueCache(beam) for _ in range(num_layers)]
        self._rows = torch.arange(beam, device=device)  # (W,)
        # Which row of the sentence read each position of a row's prefix: (B, W, L).
        self._readers = self._rows.new_empty(num_sentences, beam, 0)

    @property
    def length(self) -> int:
        """L, target positions read so far."""
        return self._readers.shape[2]

    def memories(self) -> Iterator[tuple[KeyValueCache] | tuple[KeyValues, KeyValueCache]]:
        """Yield what each layer is called with besides new positions and their layout."""
        yield from zip(self.source, self.target, strict=True) if self.source else zip(self.target, strict=True)

    def widen(self, beam: int) -> None:
        """Go from one row a sentence, which has read something, to `beam` that all go on from it."""
        self._rows = torch.arange(beam, device=self._rows.device)
        self._readers = self._readers.expand(-1, beam, -1)  # of row 0 everywhere
        for cache in self.target:
            cache.widen(beam)

    def extend(self, num_tokens: int) -> Tensor | None:
        """Count T further positions as read, and return which they may read: (B, 1, W*T, L*W) bool, or None for all."""
        num_sentences, beam, _ = self._readers.shape
        new = self._rows[:, None].expand(num_sentences, beam, num_tokens)
        self._readers = torch.cat((self._readers, new), dim=2)  # (B, W, L)
        if beam == 1 and num_tokens == 1:
            return None
        own = self._readers[..., None] == self._rows  # (B, W, L, W)
        past = torch.ones(num_tokens, self.length, dtype=torch.bool, device=own.device)
        past = past.tril(self.length - num_tokens)  # (T, L)
        keep = own[:, :, None] & past[:, :, None]  # (B, W, T, L, W)
        return keep.flatten(3, 4).flatten(1, 2)[:, None]

    def reorder(self, rows: Tensor) -> None:
        """Let row r go on from what row `rows[r]` was; rows (B*W,) int64 stay within their own sentence."""
        self._readers = self._readers.flatten(0, 1).index_select(0, rows).view_as(self._readers)

    def keep(self, sentences: Tensor) -> None:
        """Go on with these sentences only; sentences (B',) int64, ascending."""
        self._readers = self._readers.index_select(0, sentences)
        self.source = [each.select(sentences) for each in self.source]
        if self.length:
            for cache in self.target:
                cache.select(sentences)
