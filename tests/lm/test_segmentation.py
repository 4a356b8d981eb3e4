"""How lines become blocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtrain_lm.segmentation import LineSegmenter

LENGTHS = st.lists(st.integers(1, 12), max_size=30)
MODES = st.sampled_from(["complete", "complete_doc", "eos"])


def cut(lengths: list[int], break_mode: str, size: int, too_long: str = "split") -> list[tuple[int, int]]:
    return list(LineSegmenter(break_mode, size, too_long)(lengths))


def test_complete_takes_whole_lines() -> None:
    """A line that does not fit any more begins the next block; an empty line is a line."""
    assert [(0, 5), (5, 5), (10, 4)] == cut([3, 2, 1, 4, 4], "complete", 5)


def test_complete_doc_stops_at_empty_lines() -> None:
    """An empty line ends a block, and is in none; several in a row do no more."""
    assert [(0, 3), (4, 4), (8, 5), (15, 2)] == cut([3, 1, 2, 2, 5, 1, 1, 2], "complete_doc", 5)


def test_eos_takes_one_line() -> None:
    """Every line is a block, except those without a token besides their end."""
    assert [(0, 3), (4, 2), (6, 2)] == cut([3, 1, 2, 2], "eos", 5)


@pytest.mark.parametrize(
    ("mode", "too_long", "expected"),
    [
        ("complete", "split", [(0, 2), (2, 5), (7, 5), (12, 5)]),  # the rest of the line begins a block
        ("complete", "truncate", [(0, 2), (2, 5), (14, 3)]),
        ("complete", "skip", [(0, 2), (14, 3)]),
        ("eos", "split", [(0, 2), (2, 5), (7, 5), (12, 2), (14, 3)]),
        ("eos", "truncate", [(0, 2), (2, 5), (14, 3)]),
        ("eos", "skip", [(0, 2), (14, 3)]),
    ],
)
def test_a_line_above_the_size_follows_the_policy(mode: str, too_long: str, expected: list[tuple[int, int]]) -> None:
    """It is split, cut off or left out, and counted with its number."""
    cutter = LineSegmenter(mode, 5, too_long)

    assert expected == list(cutter([2, 12, 3]))
    assert (1, 1) == (cutter.num_too_long, cutter.first_too_long)


def test_the_first_line_above_the_size_is_remembered() -> None:
    """The number stays that of the first, even if that is line 0."""
    cutter = LineSegmenter("eos", 2, "split")
    list(cutter([5, 1, 5]))

    assert (2, 0, 1) == (cutter.num_too_long, cutter.first_too_long, cutter.num_empty)


@given(LENGTHS, MODES, st.integers(2, 8))
def test_splitting_loses_nothing_but_separators(lengths: list[int], mode: str, size: int) -> None:
    """Blocks follow each other, fit the size, and hold every token of a line that does not only separate."""
    blocks = cut(lengths, mode, size)
    inside = {token for start, length in blocks for token in range(start, start + length)}
    starts = [sum(lengths[:number]) for number in range(len(lengths))]
    kept = {
        token
        for start, length in zip(starts, lengths, strict=True)
        if length > 1 or mode == "complete"
        for token in range(start, start + length)
    }

    assert kept == inside
    assert len(inside) == sum(length for _, length in blocks)
    assert all(0 < length <= size for _, length in blocks)
    assert sorted(blocks) == blocks


@given(LENGTHS, st.integers(2, 8))
def test_blocks_are_as_full_as_whole_lines_allow(lengths: list[int], size: int) -> None:
    """No block could have taken the line that begins the next one."""
    lengths = [min(length, size) for length in lengths]
    blocks = cut(lengths, "complete", size)
    first_lines = {sum(lengths[:number]): length for number, length in enumerate(lengths)}

    assert all(length + first_lines[start + length] > size for start, length in blocks[:-1])
