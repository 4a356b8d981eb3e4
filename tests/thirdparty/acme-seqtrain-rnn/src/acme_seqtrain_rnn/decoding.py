"""What the decoder looks at and remembers; the letters are those of `rnn.py`."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Source:
    """
    The source sentences, read.

    Args:
        states: (B, S, H).
        keep: (B, S) bool, True at real tokens.
    """

    states: Tensor
    keep: Tensor

    def look_up(self, queries: Tensor) -> Tensor:
        """Return for each query (R, T, H) the mean of its sentence's states, weighted by likeness, (R, T, H)."""
        by_sentence = queries.reshape(len(self.states), -1, queries.shape[-1])  # (B, W*T, H)
        scores = by_sentence @ self.states.transpose(1, 2)  # (B, W*T, S)
        weights = scores.masked_fill(~self.keep[:, None], float("-inf")).softmax(dim=-1)
        return (weights @ self.states).view_as(queries)

    def select(self, sentences: Tensor) -> Source:
        """Return these sentences only, (B',) int64."""
        return Source(self.states.index_select(0, sentences), self.keep.index_select(0, sentences))


class RNNState:
    """
    The memory of the model while it decodes.

    Args:
        source: what the rows of a sentence share.
        hidden: the decoder's hidden states, (L, B*W, H).
        beam: W, rows of each sentence.
    """

    def __init__(self, source: Source, hidden: Tensor, *, beam: int) -> None:
        self.source, self.hidden = source, hidden
        self._beam = beam

    def reorder(self, rows: Tensor) -> None:
        """Let row r go on from what row `rows[r]` was; rows stay within their own sentence."""
        self.hidden = self.hidden.index_select(1, rows)

    def keep(self, sentences: Tensor) -> None:
        """Go on with these sentences only."""
        self.source = self.source.select(sentences)
        layers, _, hidden = self.hidden.shape
        by_sentence = self.hidden.view(layers, -1, self._beam, hidden)  # (L, B, W, H): a sentence's rows are neighbours
        self.hidden = by_sentence.index_select(1, sentences).flatten(1, 2)
