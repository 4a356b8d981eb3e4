"""Where two similar texts differ, in time proportional to their length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

BLOCK = 64  # characters that are compared together
AGREE = 4  # so many characters that are the same end a difference
LONGEST = 40  # characters of a difference; a longer one is several
_STEPS = [
    (total - step, step)
    for total in range(1, 2 * LONGEST + 1)
    for step in range(max(0, total - LONGEST), min(total, LONGEST) + 1)
]  # lengths of both parts, the shortest first


class Difference(NamedTuple):
    """
    A part of a text, and what another text has there.

    Args:
        text: of the one.
        other: of the other.
    """

    text: str
    other: str


def differences(text: str, other: str) -> Iterator[Difference]:
    """
    Yield differences that make one text of the other, from the left to the right; small ones, but not the fewest.

    Example:
        >>> [tuple(each) for each in differences("one  blank \ufb01rst, then", "one blank first, zen")]
        [(' ', ''), ('\ufb01', 'fi'), ('th', 'z')]
    """
    here = there = 0
    while True:
        same = _num_same(text, here, other, there)
        here, there = here + same, there + same
        if here == len(text) and there == len(other):
            return
        length, other_length = _until_they_agree(text, here, other, there)
        yield Difference(text[here : here + length], other[there : there + other_length])
        here, there = here + length, there + other_length


def _num_same(text: str, here: int, other: str, there: int) -> int:
    """Count the characters that are the same from here and there on."""
    start = here
    while (block := text[here : here + BLOCK]) and block == other[there : there + BLOCK]:
        here, there = here + len(block), there + len(block)
    for one, another in zip(block, other[there : there + BLOCK], strict=False):
        if one != another:
            break
        here += 1
    return here - start


def _until_they_agree(text: str, here: int, other: str, there: int) -> tuple[int, int]:
    """Return the lengths of the shortest parts behind which the texts agree."""
    left, other_left = len(text) - here, len(other) - there
    text, other = text[here : here + LONGEST + AGREE], other[there : there + LONGEST + AGREE]
    for length, other_length in _STEPS:
        if length > left or other_length > other_left:
            continue
        if text[length : length + AGREE] == other[other_length : other_length + AGREE]:
            return length, other_length
    surplus = left - other_left
    return (
        0 if surplus <= -LONGEST else min(left, LONGEST),  # what is so much longer has something more
        0 if surplus >= LONGEST else min(other_left, LONGEST),
    )
