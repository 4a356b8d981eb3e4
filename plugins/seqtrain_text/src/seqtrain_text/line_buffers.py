"""Lines that are read a few at a time, so that a stream of them is answered while it goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice


def line_buffers(lines: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield the lines in lists of `size`, and the rest; none is read before the list before it was used."""
    remaining = iter(lines)
    while buffer := list(islice(remaining, size)):
        yield buffer
