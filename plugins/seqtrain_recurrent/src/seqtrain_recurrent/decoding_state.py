"""
A recurrent model's memory while it decodes.

B sentences, W rows (beam) of each, R = B*W, U units.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from seqtrain_recurrent.attention import Source


class RecurrentState:
    """
    Each layer's state and, where there is a source, the source and what attention gave last.

    Args:
        hidden: of each layer, (B, U).
        cell: likewise.
        fed: what attention gave last, (B, U).
        source: of B sentences.
    """

    def __init__(
        self,
        hidden: Sequence[Tensor],
        cell: Sequence[Tensor],
        *,
        fed: Tensor | None = None,
        source: Source | None = None,
    ) -> None:
        self.hidden, self.cell = list(hidden), list(cell)
        self.fed = fed
        self.source = source
        self._beam = 1

    def widen(self, beam: int) -> RecurrentState:
        """Go from one row a sentence to `beam` that all go on from it; return the state itself."""
        self._beam = beam
        self._take(torch.arange(len(self.hidden[0]), device=self.hidden[0].device).repeat_interleave(beam))
        return self

    def reorder(self, rows: Tensor) -> None:
        """Let row r go on from what row `rows[r]` was; rows (B*W,) int64 stay within their own sentence."""
        self._take(rows)

    def keep(self, sentences: Tensor) -> None:
        """Go on with these sentences only; sentences (B',) int64, ascending."""
        self._take((sentences[:, None] * self._beam + torch.arange(self._beam, device=sentences.device)).flatten())
        if self.source is not None:
            self.source = self.source.select(sentences)

    def _take(self, rows: Tensor) -> None:
        self.hidden = [each.index_select(0, rows) for each in self.hidden]
        self.cell = [each.index_select(0, rows) for each in self.cell]
        if self.fed is not None:
            self.fed = self.fed.index_select(0, rows)
