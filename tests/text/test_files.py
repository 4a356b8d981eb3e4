"""Text files: found by prefix, split at line feeds, refused with the place of what is wrong."""

from __future__ import annotations

import gzip
import hashlib

import pytest

from seqtrain.errors import DataError
from seqtrain_text.alignment import guess_misalignment
from seqtrain_text.files import content_hash, count_lines, find_file, find_text, iter_lines


def test_a_plain_file_is_found_before_a_packed_one(tmp_path):
    """PREFIX.en wins over PREFIX.en.gz."""
    (tmp_path / "train.en").write_text("a\n")
    (tmp_path / "train.en.gz").write_bytes(gzip.compress(b"a\n"))

    assert tmp_path / "train.en" == find_text(str(tmp_path / "train"), "en")


def test_a_packed_file_is_found(tmp_path):
    """PREFIX.en.gz stands for PREFIX.en."""
    (tmp_path / "train.en.gz").write_bytes(gzip.compress(b"a\n"))

    assert tmp_path / "train.en.gz" == find_text(str(tmp_path / "train"), "en")


def test_a_missing_file_is_named_with_what_is_there(tmp_path):
    """The message names both paths tried and files of similar name."""
    (tmp_path / "train.eng").write_text("a\n")
    (tmp_path / "other").write_text("a\n")

    with pytest.raises(DataError) as caught:
        find_text(str(tmp_path / "train"), "en")

    message = str(caught.value)
    assert f"{tmp_path / 'train.en'} or train.en.gz" in message
    assert "has train.eng;" in message


def test_a_file_is_found_by_its_name(tmp_path):
    """NAME wins over NAME.gz, which stands for it; `.gz` may be named, too."""
    packed = tmp_path / "train.txt.gz"
    packed.write_bytes(gzip.compress(b"a\n"))
    assert packed == find_file(str(tmp_path / "train.txt")) == find_file(str(packed))

    (tmp_path / "train.txt").write_text("a\n")
    assert tmp_path / "train.txt" == find_file(str(tmp_path / "train.txt"))


def test_a_file_that_is_not_there_is_named(tmp_path):
    """The message says what there is beside it, or that it is a folder."""
    (tmp_path / "train.text").write_text("a\n")

    with pytest.raises(
        DataError, match=r"train\.txt or train\.txt\.gz beside it\. That folder has train\.text; check the path"
    ):
        find_file(str(tmp_path / "train.txt"))
    with pytest.raises(DataError, match=r"is a folder\. Name the text files in it"):
        find_file(str(tmp_path))


def test_a_packed_file_does_where_one_is_wanted(tmp_path):
    """For a reader that takes none, only NAME counts, and the message names no other."""
    (tmp_path / "x.en.gz").write_bytes(b"")

    for find in (
        lambda: find_text(str(tmp_path / "x"), "en", packed=False),
        lambda: find_file(str(tmp_path / "x.en"), packed=False),
    ):
        with pytest.raises(DataError, match=r"No text file \S+x\.en\. That folder has x\.en\.gz"):
            find()


@pytest.mark.parametrize(("prefix", "expected"), [("nowhere/train", "There is no folder"), ("zzz", "Nothing in")])
def test_a_missing_folder_or_an_odd_name_is_said(tmp_path, prefix, expected):
    """Without similar files the message says so, or that the folder is missing."""
    (tmp_path / "train.en").write_text("a\n")

    with pytest.raises(DataError, match=expected):
        find_text(str(tmp_path / prefix), "de")


@pytest.mark.parametrize("packed", [False, True])
def test_lines_end_at_line_feeds_only(tmp_path, packed):
    """No other separator splits a line; one carriage return before the line feed belongs to the line end."""
    content = "a\u00a0b\u2028c\x0bd\x85e\rf\r\n\r\r\n\nlast".encode()
    path = tmp_path / ("x.gz" if packed else "x")
    path.write_bytes(gzip.compress(content) if packed else content)

    assert ["a\u00a0b\u2028c\x0bd\x85e\rf", "\r", "", "last"] == list(iter_lines(path))
    assert count_lines(path) == 4
    assert hashlib.sha256(content).hexdigest() == content_hash(path)


@pytest.mark.parametrize(
    ("content", "lines"), [(b"", 0), (b"\n", 1), (b"a", 1), (b"a\n", 1), (b"a\n\n", 2), (b"\na", 2)]
)
def test_the_last_line_needs_no_line_end(tmp_path, content, lines):
    """Counting and reading agree on every kind of file end."""
    path = tmp_path / "x"
    path.write_bytes(content)

    assert lines == count_lines(path) == len(list(iter_lines(path)))


def test_invalid_utf8_is_placed(tmp_path):
    """File, line, byte and its offset in the line are told."""
    path = tmp_path / "x.en"
    path.write_bytes("gut\nschön ".encode() + "café\n".encode("latin1"))

    with pytest.raises(DataError, match=r"x\.en:2: byte 0xe9 at offset 10 of the line is not UTF-8"):
        list(iter_lines(path))


def test_a_truncated_gzip_file_is_refused(tmp_path):
    """A file that was not copied whole is not read as a short one."""
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"some lines\n" * 1000)[:-12])

    with pytest.raises(DataError, match="not a whole gzip file"):
        list(iter_lines(path))


@pytest.mark.parametrize(
    "content", [b"plain text\n", gzip.compress(b"x" * 5000)[:12] + b"\xff" * 40], ids=["plain text", "damaged"]
)
def test_what_is_not_gzip_is_refused(tmp_path, content):
    """A file of another kind, or with damage inside, is an error too."""
    path = tmp_path / "x.gz"
    path.write_bytes(content)

    with pytest.raises(DataError, match="not a whole gzip file"):
        count_lines(path)


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path):
    """A folder or a missing file gives a DataError, not an OSError."""
    with pytest.raises(DataError, match="Cannot read"):
        list(iter_lines(tmp_path))
    with pytest.raises(DataError, match="No such file"):
        count_lines(tmp_path / "missing")


@pytest.mark.parametrize("gap", [0, 3, 7, 20])
def test_a_missing_line_is_guessed_from_lengths(gap):
    """One line lacking in a translation is found where the lengths stop matching."""
    lengths = [3, 40, 11, 90, 5, 60, 21, 130, 9, 33] * 2
    long = ("x" * n for n in [*lengths[:gap], 75, *lengths[gap:]])
    short = ("y" * (n + 2) for n in lengths)

    assert gap + 1 == guess_misalignment(long, short)
