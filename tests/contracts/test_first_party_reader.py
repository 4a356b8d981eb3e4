"""Our own reader keeps the contract that everybody's do, whether files are plain or packed."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from seqtrain_testing.contracts import ReaderContract

TEXTS = ["a first line", "", "Ein Mädchen liest …", "two  blanks and a\ttab", "\u2028 is no line end of ours", "last"]
TEXT = "".join(f"{text}\n" for text in TEXTS).encode()


class TestLines(ReaderContract):
    """Lines of a plain file."""

    name = "text/lines"
    texts = TEXTS

    @pytest.fixture
    def example_file(self, tmp_path: Path) -> Path:
        path = tmp_path / "train.en"
        path.write_bytes(TEXT)
        return path

    @pytest.fixture
    def damaged_file(self, tmp_path: Path) -> Path:
        path = tmp_path / "damaged.en"
        path.write_bytes(b"good\nb\xe4d\n")
        return path


class TestPackedLines(ReaderContract):
    """Lines of a file packed by gzip."""

    name = "text/lines"
    texts = TEXTS

    @pytest.fixture
    def example_file(self, tmp_path: Path) -> Path:
        path = tmp_path / "train.en.gz"
        path.write_bytes(gzip.compress(TEXT))
        return path

    @pytest.fixture
    def damaged_file(self, tmp_path: Path) -> Path:
        path = tmp_path / "damaged.en.gz"
        path.write_bytes(gzip.compress(b"good\nb\xe4d\n"))
        return path
