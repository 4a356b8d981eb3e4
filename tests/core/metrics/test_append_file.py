"""Files that grow while a run goes on, on a disk that fails now and then."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest

from seqtrain.checkpoint.atomic_io import NotWrittenError
from seqtrain.metrics.append_file import AppendFile

FULL = OSError(errno.ENOSPC, "No space left on device")


class Disk:
    """
    Takes the place of `os.write` and of what else may fail.

    Args:
        room: bytes that still fit.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 10**9
        self.real_write = os.write
        self.patch = monkeypatch
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor: int, content: bytes) -> int:
        if not self.room:
            raise FULL
        written = self.real_write(descriptor, bytes(content)[: self.room])
        self.room -= written
        return written

    def fail(self, call: str) -> None:
        def failing(*_: object) -> None:
            raise OSError(errno.EIO, "Input/output error")

        self.patch.setattr(os, call, failing)


def linked(descriptor: int) -> str:
    """Return the path of an open file."""
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


@pytest.fixture
def file(tmp_path):
    return AppendFile(tmp_path / "lines")


@pytest.mark.fault("F33")
def test_what_does_not_fit_waits_whole_and_in_order(disk, file, caplog):
    """No part of a record is left meanwhile; the path is told once, and that all is there again once."""
    file.add(b"one\n")
    disk.room = 2
    file.add(b"two\n")
    file.add(b"three\n")

    assert file.path.read_bytes() == b"one\n"
    assert not file.is_complete
    disk.room = 10**9
    file.add(b"four\n")
    assert file.path.read_bytes() == b"one\ntwo\nthree\nfour\n"
    assert file.is_complete
    (told, mended) = [each.getMessage() for each in caplog.records]
    assert str(file.path) in told
    assert "the disk is full" in told
    assert "checkpoint.when_unwritable" in told
    assert "lacks nothing" in mended


@pytest.mark.fault("F33")
def test_a_torn_record_that_could_not_be_taken_back_goes_before_the_next(disk, file, monkeypatch):
    """The disk that takes no more may not shorten a file either."""
    file.add(b"one\n")
    disk.room = 2
    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", lambda *_: (_ for _ in ()).throw(FULL))
        file.add(b"two\n")
    assert file.path.read_bytes() == b"one\ntw"

    disk.room = 10**9
    file.add(b"three\n")

    assert file.path.read_bytes() == b"one\ntwo\nthree\n"


@pytest.mark.fault("F33")
@pytest.mark.parametrize("call", ["open", "fstat", "close"])
def test_any_call_may_fail(disk, file, call, monkeypatch):
    """A record whose file could not be closed may not have arrived: it is written again, and is there once."""
    file.add(b"one\n")
    with monkeypatch.context() as patch:
        disk.patch = patch
        disk.fail(call)
        file.add(b"two\n")
        assert not file.is_complete

    file.flush()

    assert file.path.read_bytes() == b"one\ntwo\n"


@pytest.mark.fault("F33")
def test_a_file_that_may_not_wait_raises_once(disk, tmp_path):
    """With the path, the reason, and the setting; what the run says while it ends waits for a better time."""
    file = AppendFile(tmp_path / "lines", "stop")
    disk.room = 0
    with pytest.raises(NotWrittenError, match=r"lines: the disk is full .*when_unwritable=continue"):
        file.add(b"one\n")

    file.add(b"two\n")

    with pytest.raises(NotWrittenError):
        file.finish()


@pytest.mark.fault("F33")
def test_the_end_waits_for_nothing(disk, file):
    """What cannot be written then is an error under either policy."""
    disk.room = 0
    file.add(b"one\n")
    file.flush()

    with pytest.raises(NotWrittenError, match="the disk is full"):
        file.finish()


def test_flushed_is_the_content_and_the_name(file, monkeypatch):
    """The file itself and its folder."""
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(linked(descriptor)))
    file.add(b"one\n")

    file.flush()

    assert flushed == [str(file.path), str(file.path.parent)]


def test_telling_of_a_failure_may_come_back_here(disk, file):
    """The log is such a file itself."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            file.add(b"told\n")

    handler = Handler()
    logging.getLogger("seqtrain").addHandler(handler)
    try:
        disk.room = 0
        file.add(b"one\n")
        disk.room = 100
        file.add(b"two\n")
    finally:
        logging.getLogger("seqtrain").removeHandler(handler)

    assert file.path.read_bytes() == b"one\ntold\ntwo\ntold\n"


def test_no_link_is_followed(file, tmp_path):
    """A run folder may come from a stranger."""
    (tmp_path / "lines").symlink_to(tmp_path / "elsewhere")

    file.add(b"one\n")

    assert not (tmp_path / "elsewhere").exists()
    assert not file.is_complete


def test_lines_are_kept_with_their_ends(file):
    """A last line that lacks its end gets one, so that the next does not run into it; those that wait count, too."""
    file.path.write_bytes(b"one\ntwo\nthree")
    file.keep(lambda line: not line.startswith(b"two"))
    file.add(b"four\n")

    assert file.path.read_bytes() == b"one\nthree\nfour\n"


@pytest.mark.parametrize("replaced", [False, True])
def test_nothing_is_written_where_the_folder_was_moved_away(tmp_path: Path, replaced: bool) -> None:
    """Neither into the folder that is there now, nor into a new one; what was written stays with the old one."""
    folder = tmp_path / "run"
    folder.mkdir()
    file = AppendFile(folder / "lines", makes_folder=True)
    file.add(b"one\n")
    folder.rename(tmp_path / "moved")
    if replaced:
        folder.mkdir()
    file.add(b"two\n")
    file.finish()

    assert (tmp_path / "moved/lines").read_bytes() == b"one\n"
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["lines", "moved", *(["run"] if replaced else [])]
