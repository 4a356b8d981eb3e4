"""The built-in corpus: lines of the standard library's packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqtrain.errors import DataError
from seqtrain_classify import builtin
from seqtrain_classify.builtin import PACKAGES, SPLITS, library_tables, write_builtin_corpus


@pytest.fixture
def library(tmp_path: Path, monkeypatch) -> Path:
    """Return a folder with two packages of 40 lines, which share one, and one of too few."""
    monkeypatch.setattr(builtin, "FEWEST", 20)
    monkeypatch.setattr(builtin, "LINES", 35)
    for package, count in (("email", 40), ("http", 40), ("xml", 9)):
        folder = tmp_path / "lib" / package
        (folder / "tests").mkdir(parents=True)
        lines = [f"    a {package}\tline like number {number}\n" for number in range(count)]
        (folder / "a.py").write_text("".join([*lines, "a line they all have\n", "too short\n", lines[0]]))
        (folder / "tests" / "b.py").write_text("this line is only a test\n")
        (folder / "latin.py").write_bytes(b"# a line in caf\xe9 or another place\n")
    return tmp_path / "lib"


def rows(table: str) -> list[list[str]]:
    """Return the cells of a table."""
    return [line.split("\t") for line in table.splitlines()]


def test_lines_are_labelled_with_their_package(library: Path):
    """Each once, without indentation and tabs; what two packages have, what is short and what is a test is left out."""
    tables = library_tables(library)
    found = [row for split in SPLITS for row in rows(tables[split])[1:]]

    assert list(SPLITS) == list(tables)
    assert [["label", "text"]] * 3 == [rows(tables[split])[0] for split in SPLITS]
    assert 70 == len(found) == len({text for _, text in found})
    assert {"email": 35, "http": 35} == {label: sum(row[0] == label for row in found) for label in ("email", "http")}
    assert [] == [text for label, text in found if not text.startswith(f"a {label} line like number ")]


def test_a_line_stays_in_its_split(library: Path):
    """Where it is does not depend on what other lines there are."""
    before = library_tables(library)
    (library / "email" / "a.py").write_text(
        (library / "email" / "a.py").read_text().replace("number 7\n", "number 99\n")
    )
    after = library_tables(library)

    for split in SPLITS:
        others = {tuple(row) for other in SPLITS if other != split for row in rows(after[other])[1:]}
        assert not others & {tuple(row) for row in rows(before[split])}


def test_a_library_without_source_is_refused(tmp_path: Path):
    """The error says what to do instead."""
    with pytest.raises(DataError, match=r"has too few\. Set task\.train=FILE"):
        library_tables(tmp_path)


def test_this_python_has_all_packages(tmp_path: Path):
    """The corpus is written once, and is of some size."""
    paths = write_builtin_corpus(tmp_path / "cache")
    labels = {row[0] for row in rows(paths["train"].read_text(encoding="utf-8"))[1:]}
    written = {path: path.stat().st_mtime_ns for path in paths.values()}

    assert set(PACKAGES) == labels
    assert paths == write_builtin_corpus(tmp_path / "cache")
    assert written == {path: path.stat().st_mtime_ns for path in paths.values()}
    assert [1] == [len(list((tmp_path / "cache").iterdir()))]
    assert len(paths["train"].read_text(encoding="utf-8").splitlines()) > 10_000
