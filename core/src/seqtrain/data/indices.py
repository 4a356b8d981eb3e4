"""Many indices, without the memory."""

from __future__ import annotations

import mmap
import tempfile

import numpy as np
from numpy.typing import NDArray

IN_MEMORY = 1 << 20  # more indices than these lie in a file


class Indices:
    """
    N int64 indices to be filled in; where there are many, in an unnamed file that goes with the object.

    Args:
        size: N.
    """

    def __init__(self, size: int) -> None:
        self._map: mmap.mmap | None = None
        if size <= IN_MEMORY:
            self.values: NDArray[np.int64] = np.empty(size, np.int64)
            return
        with tempfile.TemporaryFile(prefix="seqtrain-indices-") as file:  # the map outlives the file object
            file.truncate(size * np.dtype(np.int64).itemsize)
            self._map = mmap.mmap(file.fileno(), 0)
        self.values = np.frombuffer(self._map, np.int64)

    def release(self) -> None:
        """Let go of the pages that were touched; what was written stays."""
        if self._map is not None:
            self._map.madvise(mmap.MADV_DONTNEED)
