"""Let the C library keep the memory that a step frees, for the next step to use."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # from glibc's malloc.h


def keep_freed_memory() -> None:
    """
    Make glibc serve large blocks from its heap and keep them when they are freed.

    Otherwise every step returns its tensors to the kernel and faults them in again: a third of the time of a small
    model on two CPU cores. Peak memory may grow a little. Elsewhere than on glibc it does nothing.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, -1)
    mallopt(_M_TOP_PAD, 64 << 20)
