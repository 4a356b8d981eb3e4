"""What is found out about a large file once, while whoever found it out lives."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from seqtrain_text import known_files, store_meta
from seqtrain_text.binarise import Column
from seqtrain_text.config import WhitespaceConfig
from seqtrain_text.known_files import ask_once
from seqtrain_text.store import LinePolicy, build_stores
from seqtrain_text.symbols import whitespace
from seqtrain_text.temporary_folder import temporary_folder


class Finding:
    """Counts how often a file is read."""

    def __init__(self, path: Path) -> None:
        self.path, self.times = path, 0

    def __call__(self) -> list[str]:
        self.times += 1
        return self.path.read_text().split()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that passes for large."""
    monkeypatch.setattr(known_files, "LARGE", 1)
    (tmp_path / "file").write_text("a b")
    return tmp_path / "file"


def test_a_file_is_read_once_for_each_question(tmp_path: Path, path: Path) -> None:
    """Questions are told apart by what they are called."""
    find = Finding(path)

    assert [ask_once(tmp_path / "cache", path, "words", find) for _ in range(3)] == [["a", "b"]] * 3
    assert find.times == 1
    ask_once(tmp_path / "cache", path, "letters", find)
    assert find.times == 2


@pytest.mark.parametrize("how", ["in place", "by another", "small"])
def test_a_file_that_changed_is_read_again(tmp_path: Path, path: Path, how: str, monkeypatch) -> None:
    """And one that is small is so each time."""
    find = Finding(path)
    ask_once(tmp_path / "cache", path, "words", find)
    if how == "in place":
        path.write_text("c d")
    elif how == "by another":
        (tmp_path / "new").write_text("c d")
        (tmp_path / "new").replace(path)
    else:
        monkeypatch.setattr(known_files, "LARGE", 1000)
        path.write_text("c d")

    assert ask_once(tmp_path / "cache", path, "words", find) == ["c", "d"]
    assert find.times == 2


@pytest.mark.runs
def test_a_live_process_is_believed_and_a_dead_one_is_not(tmp_path: Path, path: Path) -> None:
    """The word of the dead one is removed by the next that leaves any."""
    answered, answers = os.pipe()
    if not (child := os.fork()):
        ask_once(tmp_path / "cache", path, "words", lambda: ["from", "another"])
        os.write(answers, b"!")
        signal.pause()
    os.read(answered, 1)
    find = Finding(path)
    believed = ask_once(tmp_path / "cache", path, "words", find)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)

    assert believed == ["from", "another"]
    assert find.times == 0
    assert ask_once(tmp_path / "cache", path, "words", find) == ["a", "b"]
    assert find.times == 1
    with temporary_folder(tmp_path / "cache"):
        assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, path: Path) -> None:
    """Reading stores that somebody else has made needs no right to write."""
    (tmp_path / "cache").write_text("no folder")
    find = Finding(path)

    assert [ask_once(tmp_path / "cache", path, "words", find) for _ in range(2)] == [["a", "b"]] * 2
    assert find.times == 2


def test_stores_and_texts_are_hashed_once(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever makes them; opening them again reads no file as a whole, unless it has changed."""
    tokenizer = whitespace(WhitespaceConfig())
    tokenizer.train(["a b"])
    hashed: list[str] = []
    hash_file = store_meta._hash
    monkeypatch.setattr(store_meta, "_hash", lambda file: hashed.append(file.name) or hash_file(file))
    policy = LinePolicy(empty="error", too_long="error", max_length=9)

    def build() -> str:
        return build_stores([Column(path, tokenizer, "text")], cache=tmp_path / "cache", policy=policy)[0].fingerprint

    first = build()
    assert {"tokens-0.bin", "offsets-0.bin"} <= set(hashed)
    hashed.clear()
    monkeypatch.setattr("seqtrain_text.readers.scan_text", None)

    assert build() == first
    assert set(hashed) <= {"skipped.bin"}  # which is empty
    tokens = next((tmp_path / "cache").glob("text-*/tokens-0.bin"))
    tokens.write_bytes(tokens.read_bytes()[::-1])
    assert build() == first
    assert "tokens-0.bin" in hashed
