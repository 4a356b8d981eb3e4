"""The built-in corpus."""

from __future__ import annotations

import zlib
from functools import partial
from pathlib import Path

import pytest

from seqtrain.config.option import Selection
from seqtrain.errors import DataError
from seqtrain.registry.discovery import discover
from seqtrain_lm import builtin
from seqtrain_lm.config import LMConfig
from seqtrain_lm.task import LMTask
from seqtrain_text.config import CharConfig
from seqtrain_text.readers import Lines
from seqtrain_text.symbols import char


def name_of(split: str) -> str:
    """Return a module's name that belongs to a split."""
    wanted = {"valid": 0, "test": 1}.get(split)
    names = (f"m{number}.py" for number in range(1000))
    return next(
        name for name in names if (zlib.crc32(name.encode()) % 20 == wanted if wanted is not None else
                                   zlib.crc32(name.encode()) % 20 > 1)
    )  # fmt: skip


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Return a folder that looks like a standard library of one module for each split, and more."""
    folder = tmp_path / "library"
    for name in (*map(name_of, builtin.SPLITS), "test/skipped_steps.py", "a/tests/skipped_steps.py"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\nleft_out = {name.startswith(('test/', 'a/'))}\n", encoding="utf-8")
    return folder


def test_a_module_goes_where_its_name_says(library: Path) -> None:
    """Tests of the library are in no split."""
    texts = builtin.library_text(library)

    assert {split: f"# {name_of(split)}\nleft_out = False\n\n" for split in builtin.SPLITS} == texts


def test_what_cannot_be_read_is_left_out(library: Path) -> None:
    """A module in an old encoding does no harm."""
    before = builtin.library_text(library)
    (library / "latin.py").write_bytes(b"# sch\xf6n\n")

    assert before == builtin.library_text(library)


def test_long_modules_are_cut_at_a_line(library: Path) -> None:
    """So that many modules have a share."""
    line = "x = 1  # a line\n"
    (library / name_of("valid")).write_text(line * 10_000, encoding="utf-8")

    text = builtin.library_text(library)["valid"]
    assert line * (builtin.MODULE_LIMIT // len(line)) + "\n" == text


def test_a_python_without_source_is_told(tmp_path: Path) -> None:
    """The error says what to do instead."""
    with pytest.raises(DataError, match=r"too little of it in .*Set task\.train=FILE"):
        builtin.library_text(tmp_path)


def test_the_task_reads_its_own_corpus_like_any_other(
    tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written once, and its splits are known before."""
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(library))
    selected = {"tokenizer": Selection("tokenizer", "char", CharConfig()), "reader": Selection("reader", "lines", None)}
    task = LMTask(
        LMConfig(**selected, tokens_per_sample=8),
        tokenizer=lambda: char(CharConfig()),
        reader=Lines,
        metrics=partial(discover().build_named, "metric"),
    )

    assert ["train", "valid", "test"] == list(task.splits())
    for _ in range(2):
        task.prepare(tmp_path / "artifacts", tmp_path / "cache")
    (corpus,) = (tmp_path / "cache").glob("builtin-python-*")
    assert ["test.txt", "train.txt", "valid.txt"] == sorted(path.name for path in corpus.iterdir())
    assert str(corpus / "test.txt") in task.dataset("test").describe(0)


def test_this_python_has_enough(tmp_path: Path) -> None:
    """Every split is filled, and no two share a line of more than a few words."""
    written = builtin.write_builtin_corpus(tmp_path)

    for split, limit in builtin.LIMITS.items():
        assert limit <= written[split].stat().st_size < 2 * limit
    assert written == builtin.write_builtin_corpus(tmp_path)
