"""Many indices, without the memory."""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

from seqtrain.errors import DataError

IN_MEMORY = 1 << 20  # more indices than these lie in a file


@dataclass(frozen=True)
class Indices:
    """
    Many int64 indices; they may lie in a file that is mapped into memory.

    Args:
        values: the indices.
        mapped: the file they lie in, if any.
    """

    values: NDArray[np.int64]
    mapped: mmap.mmap | None = None

    @classmethod
    def room_for(cls, size: int) -> Indices:
        """
        Return `size` indices to be filled in; where they are many, in an unnamed file that goes with the object.

        Raises:
            DataError: there is no room for the file.
        """
        if size <= IN_MEMORY:
            return cls(np.empty(size, np.int64))
        with tempfile.TemporaryFile(prefix="seqtrain-indices-") as file:
            return cls.in_file(file, size)

    @classmethod
    def in_file(cls, file: IO[bytes], size: int) -> Indices:
        """
        Return `size` indices to be filled in, > 0, that lie in an empty temporary file; the map outlives its object.

        Raises:
            DataError: there is no room for them.
        """
        num_bytes = size * np.dtype(np.int64).itemsize
        try:
            file.truncate(num_bytes)
            if sys.platform == "linux":  # else a full disk would be found out while the map is written: SIGBUS
                os.posix_fallocate(file.fileno(), 0, num_bytes)
            mapped = mmap.mmap(file.fileno(), 0)
        except OSError as error:
            raise DataError(
                f"Cannot write the order of the examples, {num_bytes:,} bytes, to {tempfile.gettempdir()}: "
                f"{error.strerror or error}. Make room there, or set the environment variable TMPDIR to another folder."
            ) from error
        return cls(np.frombuffer(mapped, np.int64), mapped)

    def release(self) -> None:
        """Let go of the pages that were touched; what was written stays."""
        if self.mapped is not None:
            self.mapped.madvise(mmap.MADV_DONTNEED)
