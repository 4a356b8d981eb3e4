"""Numbers about a corpus, too many to hold in memory."""

from __future__ import annotations

import mmap
import sys
import tempfile
from typing import final

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
RELEASE_AFTER = 32 << 20  # bytes of the file that may be in memory
TOUCHED_AT_ONCE = 64 << 10  # bytes: reading anywhere maps that much around it


@final
class Numbers:
    """
    A table of int64 in an unnamed file that goes with the object.

    It is written piece by piece in a `with` block, and behind that read through a map.

    Args:
        width: columns.
    """

    def __init__(self, width: int) -> None:
        self._file = tempfile.TemporaryFile(prefix="seqtrain-blocks-")  # noqa: SIM115 - closed by `__exit__`
        self._map: mmap.mmap | None = None
        self._touched = 0  # bytes that may be in memory since the last release
        self._table: IntArray = np.empty((0, width), np.int64)

    def __enter__(self) -> Numbers:
        return self

    def append(self, piece: IntArray) -> None:
        """Write (n, width) numbers below those that are there."""
        self._file.write(np.ascontiguousarray(piece, np.int64).tobytes())

    def __exit__(self, *exception: object) -> None:
        with self._file as file:  # the map outlives it
            file.flush()
            if file.tell():
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                self._table = np.frombuffer(self._map, np.int64).reshape(-1, self._table.shape[1])

    def __len__(self) -> int:
        return len(self._table)

    def rows(self, start: int, stop: int) -> IntArray:
        """Return rows [start, stop), (stop - start, width)."""
        self._touch((stop - start) * self._table.strides[0])
        rows: IntArray = self._table[start:stop].copy()
        return rows

    def take(self, indices: IntArray) -> IntArray:
        """Return these rows, (len(indices), width)."""
        self._touch(len(indices) * TOUCHED_AT_ONCE)
        taken: IntArray = self._table[indices]
        return taken

    def _touch(self, num_bytes: int) -> None:
        """Note that so much is about to be read, and let go of what was read before when it adds up."""
        if self._map is not None and self._touched + num_bytes > RELEASE_AFTER and sys.platform != "win32":
            self._map.madvise(mmap.MADV_DONTNEED)
            self._touched = 0
        self._touched += num_bytes
