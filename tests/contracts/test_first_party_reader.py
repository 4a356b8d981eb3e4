"""Our own readers keep the contract that everybody's do, whether files are plain or packed, lines or tables."""

from __future__ import annotations

import gzip
import json
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


ROWS = [{"text": "one, or two", "label": "a"}, {"text": "größer", "label": ""}]


class TestCSV(ReaderContract):
    """Rows of cells."""

    name = "text/csv"
    texts = ROWS

    @pytest.fixture
    def example_file(self, tmp_path: Path) -> Path:
        path = tmp_path / "train.csv"
        path.write_text('text,label\n"one, or two",a\n\ngrößer,\n', encoding="utf-8")
        return path

    @pytest.fixture
    def damaged_file(self, tmp_path: Path) -> Path:
        path = tmp_path / "damaged.csv"
        path.write_text('text,label\n"one,a\n')
        return path


class TestTSV(ReaderContract):
    """Rows of cells between tabs."""

    name = "text/tsv"
    texts = ROWS

    @pytest.fixture
    def example_file(self, tmp_path: Path) -> Path:
        path = tmp_path / "train.tsv"
        path.write_text("text\tlabel\none, or two\ta\ngrößer\t\n", encoding="utf-16")
        return path

    @pytest.fixture
    def damaged_file(self, tmp_path: Path) -> Path:
        path = tmp_path / "damaged.tsv"
        path.write_text("text\tlabel\none\n")
        return path


class TestJSON(ReaderContract):
    """Objects of an array."""

    name = "text/json"
    texts = ROWS

    @pytest.fixture
    def example_file(self, tmp_path: Path) -> Path:
        path = tmp_path / "train.json"
        path.write_text(json.dumps(ROWS, indent=1), encoding="utf-8")
        return path

    @pytest.fixture
    def damaged_file(self, tmp_path: Path) -> Path:
        path = tmp_path / "damaged.json"
        path.write_text(json.dumps(ROWS, indent=1)[:-3])
        return path


class TestJSONLines(TestJSON):
    """Objects on lines, read by the reader that chooses."""

    name = "text/auto"

    @pytest.fixture
    def example_file(self, tmp_path: Path) -> Path:
        path = tmp_path / "train.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
        return path


class TestParquet(ReaderContract):
    """Rows of a Parquet file."""

    name = "text/parquet"
    texts = ROWS

    @pytest.fixture
    def example_file(self, tmp_path: Path) -> Path:
        arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(arrow.Table.from_pylist(ROWS), tmp_path / "train.parquet")
        return tmp_path / "train.parquet"


class TestArrow(TestParquet):
    """Rows of an Arrow file."""

    name = "text/arrow"

    @pytest.fixture
    def example_file(self, tmp_path: Path) -> Path:
        arrow = pytest.importorskip("pyarrow")
        table = arrow.Table.from_pylist(ROWS)
        with arrow.ipc.new_file(str(tmp_path / "train.arrow"), table.schema) as sink:
            sink.write_table(table)
        return tmp_path / "train.arrow"
