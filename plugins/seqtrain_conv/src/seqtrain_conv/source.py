"""
What attention reads.

B sentences, S source positions, D size of a vector; with several heads, dimensions for these.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Source(NamedTuple):
    """
    A source as one layer, or all of them, read it.

    Args:
        keys: (B, ..., S, D).
        values: (B, ..., S, D).
        is_padding: bool, broadcast to (B, ..., T, S).
    """

    keys: Tensor
    values: Tensor
    is_padding: Tensor

    def select(self, sentences: Tensor) -> Source:
        """Return these sentences only, (B',) int64."""
        return Source(*(each.index_select(0, sentences) for each in self))
