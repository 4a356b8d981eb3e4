"""Text files: found by prefix, split at line feeds, refused with the place of what is wrong."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import logging
import lzma
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from seqtrain.errors import DataError
from seqtrain_text import files
from seqtrain_text.alignment import guess_misalignment
from seqtrain_text.files import (
    TextScan,
    content_hash,
    count_lines,
    existing,
    find_file,
    find_text,
    iter_lines,
    scan_text,
)


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
        DataError,
        match=r"train\.txt or train\.txt\.gz, \.bz2, \.xz or \.zst beside it\. That folder has train\.text; check the path",
    ):
        find_file(str(tmp_path / "train.txt"))
    with pytest.raises(DataError, match=r"is a folder\. Name the text files in it"):
        find_file(str(tmp_path))


@pytest.mark.parametrize("name", [".", "/", "..", "x" * 300, "x/" * 3000, "\0"])
def test_a_path_that_is_of_no_use_is_refused(name):
    """As any other that leads nowhere."""
    for find in (lambda: find_file(name), lambda: find_text(name, "en"), lambda: existing(Path(name))):
        with suppress(DataError):
            assert find() is None


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


PACK = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}
SUFFIX = {"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz", "zstd": ".zst"}
TEXT = "ein Süßes\n𝄞 two\r\n\nlast"
LINES = ["ein Süßes", "𝄞 two", "", "last"]


def pack(how: str, content: bytes) -> bytes:
    """Pack bytes, by zstandard where that is installed."""
    if how == "zstd":
        return pytest.importorskip("zstandard").compress(content)
    return PACK[how](content) if how in PACK else content


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("how", ["plain", "gzip", "bzip2", "xz", "zstd"])
@pytest.mark.parametrize("name", ["x", "x.en", "x.zip", "x.gz"])
def test_the_first_bytes_tell_what_a_file_is(tmp_path, caplog, encoding, how, name):
    """Whatever its name: the text is that, without a mark; its hash, too; and what it is is said, unless it is plain."""
    content = TEXT.encode(encoding)
    if encoding.endswith("-be"):
        content = "\ufeff".encode(encoding) + content
    path = tmp_path / name
    path.write_bytes(pack(how, content))

    with caplog.at_level(logging.INFO):
        assert LINES == list(iter_lines(path))
    assert TextScan(hashlib.sha256(TEXT.encode()).hexdigest(), 4) == scan_text(path)
    told = [message for message in caplog.messages if str(path) in message]
    assert len(told) == (how != "plain" or encoding != "utf-8" or name == "x.gz")
    if told:
        assert ("not packed" in told[0]) == (how == "plain" and name == "x.gz")
        assert (how in told[0], "byte order" in told[0] or "endian" in told[0]) == (how != "plain", encoding != "utf-8")


@pytest.mark.parametrize("how", ["gzip", "bzip2", "xz", "zstd"])
def test_several_members_are_one_text(tmp_path, how):
    """As `cat` makes of several files; a file may be padded with zeros."""
    path = tmp_path / "x"
    path.write_bytes(pack(how, b"a\nb") + pack(how, b"") + pack(how, b"c\n") + b"\0" * 8)

    assert ["a", "bc"] == list(iter_lines(path))


@pytest.mark.parametrize("how", ["gzip", "bzip2", "xz", "zstd"])
@pytest.mark.parametrize("damage", ["cut", "half", "trailing", "flipped"])
def test_a_damaged_packed_file_is_refused(tmp_path, how, damage):
    """It is never read as a shorter one."""
    whole = pack(how, b"".join(b"line %d\n" % (number * number) for number in range(5000)))
    cut = {"cut": whole[:-3], "half": whole[: len(whole) // 2], "trailing": whole + b"some more"}
    middle = len(whole) // 2
    path = tmp_path / "x"
    path.write_bytes(cut.get(damage, whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]))
    if how == "zstd" and damage == "flipped":
        pytest.skip("a frame of zstd need not have a checksum")

    with pytest.raises(DataError, match=rf"x is not a whole {how} file: .*Copy it again"):
        count_lines(path)


def test_zstd_without_its_package_is_an_error_that_names_it(tmp_path, monkeypatch):
    """Python unpacks it from 3.14 on."""
    for name in ("zstandard", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "x").write_bytes(b"\x28\xb5\x2f\xfd and more than ten bytes")

    with pytest.raises(DataError, match=r"x is packed by zstd, .*`pip install zstandard`"):
        count_lines(tmp_path / "x")


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".zst"])
def test_packed_files_are_found(tmp_path, suffix):
    """PREFIX.LANG and NAME stand for packed ones, too."""
    (tmp_path / f"x.en{suffix}").write_bytes(b"")

    assert tmp_path / f"x.en{suffix}" == find_text(str(tmp_path / "x"), "en") == find_file(str(tmp_path / "x.en"))


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        ("déjà vu".encode("latin-1"), "if it is Latin-1, convert it"),
        ("it\u2019s naïve \u2013 \u201cyes\u201d".encode("cp1252"), "if it is Latin-1"),
        ("это русский текст".encode("koi8-r"), "Find out what this is in"),
        ("日本語の文章です".encode("shift-jis"), "Find out what this is in"),
        ("中文".encode("gb18030"), "Find out what this is in"),
        ("schön, cafe".encode() + b"\xc3", "it is damaged there"),
        (b"\0\x80\0\xff", "looks like UTF-16"),
        (bytes(range(11, 256)), "Find out what this is in"),
    ],
)
def test_latin_1_is_advised_only_where_it_is_plausible(tmp_path, content, advice):
    """Its bytes would be letters, and not too many of them."""
    (tmp_path / "x").write_bytes(b"fine\n" + content + b"\nfine\n")

    with pytest.raises(DataError, match=r"x:2: byte 0x.. at offset \d+ of the line is not UTF-8") as caught:
        list(iter_lines(tmp_path / "x"))
    assert advice in str(caught.value)
    assert ("latin1" in str(caught.value)) == ("Latin-1" in advice)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a line\n".encode("utf-16-le"), "looks like UTF-16LE without a byte order mark.*iconv -f UTF-16LE"),
        ("a line\n".encode("utf-16-be"), "looks like UTF-16BE without"),
        ("a line\n".encode("utf-32-le"), "looks like UTF-32LE without"),
        ("a line\n".encode("utf-32-be"), "looks like UTF-32BE without"),
        ("one\ntwo".encode("utf-16")[:-1], r"x:2: the byte order mark says UTF-16 .*truncated"),
        ("one\n".encode("utf-16") + b"\0\xd8a\0", r"x:2: the byte order mark says UTF-16"),
        (b"PK\x03\x04 and so on", "x is a ZIP archive.*CSV"),
    ],
)
def test_what_is_no_utf_8_is_called_by_its_name(tmp_path, content, said):
    """Whatever the first line holds that an eight-bit encoding would make of it."""
    (tmp_path / "x").write_bytes(content)

    with pytest.raises(DataError, match=said):
        count_lines(tmp_path / "x")


def test_a_line_without_end_is_refused_in_bounded_memory(tmp_path, monkeypatch):
    """With its number."""
    monkeypatch.setattr(files, "MAX_LINE", 2 << 20)
    (tmp_path / "x").write_bytes(b"a\nb\n" + b"c" * (2 << 20) + b"\nd" + b"e" * (4 << 20))
    lines = iter_lines(tmp_path / "x")

    assert ["a", "b", 2 << 20] == [next(lines), next(lines), len(next(lines))]
    with pytest.raises(DataError, match=r"x:4: the line has more than 2,097,152 characters"):
        next(lines)


def test_what_is_packed_in_its_name_alone_is_read_and_damage_is_told(tmp_path):
    """A plain text may be called `.gz`; where its first bytes are damaged, that is what it looks like."""
    path = tmp_path / "x.gz"
    path.write_bytes(b"plain text\n")
    assert ["plain text"] == list(iter_lines(path))

    path.write_bytes(b"\x1e" + gzip.compress(b"text\n")[1:])
    with pytest.raises(DataError, match=r"not UTF-8.* Nor is it packed, as its name x\.gz says"):
        list(iter_lines(path))


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
