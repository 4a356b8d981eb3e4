"""Lines a few at a time."""

from __future__ import annotations

from itertools import count, islice

from seqtrain_text.line_buffers import line_buffers


def test_lines_come_in_lists() -> None:
    """The last list is what is left."""
    assert [["a", "b"], ["c"]] == list(line_buffers("abc", 2))
    assert [["a", "b"]] == list(line_buffers(["a", "b"], 2))
    assert [] == list(line_buffers([], 2))


def test_no_line_is_read_before_it_is_needed() -> None:
    """A stream that never ends is read a list at a time."""
    read = []
    stream = (read.append(number) or str(number) for number in count())

    assert [["0", "1"], ["2", "3"]] == list(islice(line_buffers(stream, 2), 2))
    assert [0, 1, 2, 3] == read
