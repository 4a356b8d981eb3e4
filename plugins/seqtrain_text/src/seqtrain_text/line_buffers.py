"""Lines that are read a few at a time, so that a stream of them is answered while it goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from seqtrain.api import WorkerGroup

_ALONE = WorkerGroup()


def line_buffers(lines: Iterable[str], size: int, workers: WorkerGroup = _ALONE) -> Iterator[list[str]]:
    """
    Yield the lines in lists of `size`, and the rest; none is read before the list before it was used.

    Args:
        lines: those of the main worker, which hands them to the others, are what all workers get.
        size: of a list.
        workers: who gets the lines.
    """
    remaining = iter(lines)
    while buffer := workers.by_main(lambda: list(islice(remaining, size))):
        yield buffer
