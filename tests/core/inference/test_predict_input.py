"""The lines that `seqtrain predict` is given."""

from __future__ import annotations

import gzip
import io

import pytest

from seqtrain.errors import DataError
from seqtrain.inference import predict
from seqtrain.inference.predict import read_lines


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"a\n\nb", ["a", "", "b"]),
        (b"\xef\xbb\xbfa\r\n\xef\xbb\xbfb\n", ["a", "\ufeffb"]),
        (b"\xef\xbb\xbf", []),
        (b"\xef\xbb\xbf\na", ["", "a"]),
    ],
)
def test_a_byte_order_mark_is_no_part_of_the_first_line(content, lines):
    """Nor is it a line of its own."""
    assert lines == list(read_lines(io.BytesIO(content), "f"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a".encode("utf-16"), "f is in UTF-16, .*`iconv -f UTF-16 -t UTF-8 FILE`"),
        (gzip.compress(b"a", mtime=0), "f is packed by gzip, .*`zcat FILE`"),
        (b"a\nb\xe4\n", r"f, line 2: byte 2 \(0xe4\) is not UTF-8"),
    ],
)
def test_what_is_no_utf_8_is_called_by_its_name(content, said):
    """As far as the first bytes tell."""
    with pytest.raises(DataError, match=said):
        list(read_lines(io.BytesIO(content), "f"))


def test_a_line_without_end_is_refused(monkeypatch):
    """With its number, and no more of it in memory than is allowed."""
    monkeypatch.setattr(predict, "MAX_LINE", 3)
    lines = read_lines(io.BytesIO(b"ab\na\nabcd\n"), "f")

    assert ["ab", "a"] == [next(lines), next(lines)]
    with pytest.raises(DataError, match="f, line 3: it is longer than"):
        next(lines)
