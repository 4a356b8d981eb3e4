"""
A convolutional model's memory while it decodes: the source, and what each convolution has seen last.

B sentences, W rows (beam) of each, R = B*W, S source positions, T target positions, D size of a vector, K width of a
convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Source(NamedTuple):
    """
    A source as the attention of one layer, or of all of them, reads it.

    Args:
        keys: (B, S, D), or with H heads (B, H, S, D/H).
        values: likewise.
        is_padding: bool, broadcast to (B, T, S) or (B, H, T, S).
    """

    keys: Tensor
    values: Tensor
    is_padding: Tensor

    def select(self, sentences: Tensor) -> Source:
        """Return these sentences only, (B',) int64."""
        return Source(*(each.index_select(0, sentences) for each in self))


class InputBuffer:
    """The last inputs of one causal convolution."""

    def __init__(self) -> None:
        self._inputs: Tensor | None = None

    def extend(self, x: Tensor, length: int) -> Tensor:
        """
        Return inputs x (R, T, D) with the `length` before them, (R, length + T, D); zeros stand before the first.

        Args:
            x: new inputs.
            length: K - 1, the same each time.
        """
        before = x.new_zeros(len(x), length, x.shape[2]) if self._inputs is None else self._inputs
        window = torch.cat((before, x), dim=1)
        self._inputs = window[:, window.shape[1] - length :]
        return window

    def take(self, rows: Tensor) -> None:
        """Let row r be what row `rows[r]` was."""
        if self._inputs is not None:
            self._inputs = self._inputs.index_select(0, rows)


class ConvolutionState:
    """
    What each causal convolution has seen last, and the source, if there is one.

    Args:
        num_convolutions: how many there are.
        num_sentences: B.
        device: where they are.
        source: what each layer's attention reads, of B sentences.
    """

    def __init__(
        self, num_convolutions: int, num_sentences: int, device: torch.device, source: Sequence[Source] = ()
    ) -> None:
        self.buffers = [InputBuffer() for _ in range(num_convolutions)]
        self.source = source
        self.length = 0  # target positions read so far
        self._num_sentences = num_sentences
        self._rows = torch.arange(1, device=device)  # (W,)

    def widen(self, beam: int) -> ConvolutionState:
        """Go from one row a sentence to `beam` that all go on from it; return the state itself."""
        device = self._rows.device
        self._rows = torch.arange(beam, device=device)
        self.reorder(torch.arange(self._num_sentences, device=device).repeat_interleave(beam))
        return self

    def reorder(self, rows: Tensor) -> None:
        """Let row r go on from what row `rows[r]` was; rows (B*W,) int64 stay within their own sentence."""
        for buffer in self.buffers:
            buffer.take(rows)

    def keep(self, sentences: Tensor) -> None:
        """Go on with these sentences only; sentences (B',) int64, ascending."""
        self.reorder((sentences[:, None] * len(self._rows) + self._rows).flatten())
        self.source = [each.select(sentences) for each in self.source]
        self._num_sentences = len(sentences)
