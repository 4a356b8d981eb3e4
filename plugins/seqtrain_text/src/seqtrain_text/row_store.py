"""What datasets are made of: rows of token ids, of a file or made up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class RowStore(Protocol):
    """Rows of token ids, each ended by eos, that datasets are made of."""

    @property
    def fingerprint(self) -> str:
        """A hash that equal rows share."""
        ...

    @property
    def unit(self) -> str:
        """What messages call the text that a row comes from, such as "line"."""
        ...

    @property
    def num_tokens(self) -> int:
        """How many tokens all rows have."""
        ...

    @property
    def found(self) -> Mapping[str, Any]:
        """What was counted where the rows come from, as JSON can hold it; empty where that is no file."""
        ...

    def __len__(self) -> int: ...

    def lengths(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the lengths of rows [start, stop), eos included."""
        ...

    def read(self, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return spans of all rows' tokens, one row after the other: [start, start + length) of each."""
        ...

    def row_at(self, token: int) -> int:
        """Return the row that a token of all rows, counted from 0, is in."""
        ...

    def gather(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the tokens of these rows, one row after the other, and the rows' lengths."""
        ...

    def line_number(self, index: int) -> int:
        """Return the line, from 1, of the text file that a row comes from."""
        ...

    def line_numbers(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the lines, from 1, of the text file that these rows come from."""
        ...

    def describe(self, index: int) -> str:
        """Return where a row comes from, such as `train.en:17`."""
        ...
