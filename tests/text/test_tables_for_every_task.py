"""A table trains a translator, a language model and a classifier, and so does a reader of another plugin."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqtrain.config.option import Selection
from seqtrain.errors import ConfigError, DataError
from seqtrain.registry.discovery import discover
from seqtrain_classify.config import ClassifyConfig
from seqtrain_classify.task import ClassifyTask
from seqtrain_lm.config import LMConfig
from seqtrain_lm.task import LMTask
from seqtrain_text.auto_reader import Auto
from seqtrain_text.config import WhitespaceConfig
from seqtrain_text.symbols import whitespace
from seqtrain_translation.config import TranslationConfig
from seqtrain_translation.task import TranslationTask

PAIRS = [("a b", "x ÿ"), ("b, c", "y"), ("c; a", "z z"), ("b", "x")]
MORE = {
    "tokenizer": lambda: whitespace(WhitespaceConfig(joiner=None)),
    "metrics": partial(discover().build_named, "metric"),
}


def table(separator: str) -> bytes:
    """Write the pairs as rows of cells."""
    sink = io.StringIO()
    writer = csv.writer(sink, delimiter=separator)
    writer.writerows([("id", "en", "de"), *((number, *pair) for number, pair in enumerate(PAIRS))])
    return sink.getvalue().encode("utf-16")


def objects(source: str, target: str) -> str:
    return json.dumps([{source: one, target: other} for one, other in PAIRS], indent=1)


TABLES = {
    "semicolons": ("t.csv", table(";")),
    "tabs": ("t.csv", table("\t")),
    "without a name": ("t", gzip.compress(table("|"), mtime=0)),
    "source and target": ("t.json", objects("source", "target").encode()),
    "languages": ("t.jsonl", objects("en", "de").encode()),
    "nested": ("t.jsonl", "\n".join(json.dumps({"translation": {"de": b, "en": a}}) for a, b in PAIRS).encode()),
    "two files": ("t.en", "".join(f"{one}\n" for one, _ in PAIRS).encode()),
}


def translation(tmp_path: Path, train: str, reader: Any = None, **settings: Any) -> TranslationTask:
    """Make and prepare a task."""
    settings = {"source_lang": "en", "target_lang": "de", "shared_vocabulary": False, **settings}
    config = TranslationConfig(train=train, reader=Selection("reader", "odd", None), **settings)
    task = TranslationTask(config, reader=lambda: reader or Auto(), **MORE)
    task.prepare(tmp_path / "artifacts", tmp_path / "cache")
    return task


def pairs_of(task: TranslationTask) -> list[tuple[str, str]]:
    """Return what a model is trained on, as texts."""
    (stores,) = task.plain_dataset("train").stores
    return [
        tuple(
            tokenizer.decode(store.gather(np.array([row]))[0].tolist())
            for store, tokenizer in ((stores.source, task._pair.source), (stores.target, task._pair.target))
        )
        for row in range(len(stores.source))
    ]


@pytest.mark.parametrize("how", TABLES)
def test_a_table_trains_a_translator(tmp_path, how):
    """It is the same as two files."""
    name, content = TABLES[how]
    (tmp_path / name).write_bytes(content)
    if how == "two files":
        name = "t"
        (tmp_path / "t.de").write_text("\ufeff" + "".join(f"{other}\n" for _, other in PAIRS))

    task = translation(tmp_path, str(tmp_path / name))

    assert PAIRS == pairs_of(task)
    assert PAIRS == list(zip(*task.corpus.lines("train"), strict=True))


def test_columns_can_be_named_and_places_are_lines(tmp_path):
    """In messages, too."""
    (tmp_path / "t.csv").write_text('from,to\n"a b",x\n\n"b",y\n')
    task = translation(tmp_path, str(tmp_path / "t.csv"), source_column="from", target_column="to")

    assert [("a b", "x"), ("b", "y")] == pairs_of(task)
    assert f"{tmp_path}/t.csv:4 | {tmp_path}/t.csv:4" == task.dataset("train").describe(1)
    (tmp_path / "t.csv").rename(tmp_path / "gone")
    assert f"{tmp_path}/t.csv, row 2 | {tmp_path}/t.csv, row 2" == task.dataset("train").describe(1)
    (tmp_path / "gone").rename(tmp_path / "t.csv")
    with pytest.raises(DataError, match=r"no column 'de' or 'target' or 'translation\.de'; .*Set task\.target_column"):
        translation(tmp_path / "other", str(tmp_path / "t.csv"))


def test_one_side_of_two_is_no_table(tmp_path):
    """Whoever names `train.en` means a prefix."""
    for name in ("t.en", "t.de"):
        (tmp_path / name).write_text("a\n")

    with pytest.raises(DataError, match=r"No text file .*t\.en\.en or .*has t\.en"):
        translation(tmp_path, str(tmp_path / "t.en"))


@pytest.mark.parametrize(("name", "longer"), [("t.de", "t.en"), ("t.en", "t.de")])
def test_sides_of_different_length_are_refused(tmp_path, name, longer):
    """Whichever is the longer one, in whatever they are packed."""
    (tmp_path / name).write_text("a\nb\n")
    (tmp_path / f"{longer}.gz").write_bytes(gzip.compress("a\nb\nc\n".encode("utf-16")))

    with pytest.raises(DataError, match=rf"{longer}\.gz has 3 lines but .*{name} has 2"):
        translation(tmp_path, str(tmp_path / "t"))


class Rows:
    """A reader of another plugin that yields records."""

    def __call__(self, path: Path) -> Iterator[Mapping[str, Any]]:
        for number, line in enumerate(path.read_text().splitlines()):
            text, other = line.split(" = ")
            yield {"text": text, "text_b": other, "source": text, "target": other, "label": "ab"[number % 2]}


def test_a_reader_of_another_plugin_serves_every_task(tmp_path):
    """By the names of fields that tasks have."""
    path = tmp_path / "rows"
    path.write_text("a b = x\nb = y y\nc = z\n")

    assert [("a b", "x"), ("b", "y y"), ("c", "z")] == pairs_of(translation(tmp_path / "t", str(path), Rows()))
    selected = Selection("reader", "acme/rows", None)
    lm = LMTask(LMConfig(train=str(path), reader=selected, tokens_per_sample=2), reader=Rows, **MORE)
    lm.prepare(tmp_path / "l", tmp_path / "cache")
    assert ["a b", "b", "c"] == list(lm.training_texts())
    config = ClassifyConfig(train=str(path), reader=selected, text_pair_column="text_b")
    classify = ClassifyTask(config, reader=Rows, **MORE)
    classify.prepare(tmp_path / "c", tmp_path / "cache")
    assert ["a b", "x", "b", "y y", "c", "z"] == list(classify.training_texts())
    assert [0, 1, 0] == classify.dataset("train").targets(np.arange(3)).tolist()
    assert f"{path}, row 2" == classify.dataset("train").describe(1)


def test_a_table_trains_a_language_model(tmp_path):
    """By the column that is named; a text file is lines, be they cells."""
    (tmp_path / "t.csv").write_text('label,body\n1,a b\n2,"b\nc"\n')
    (tmp_path / "t.txt").write_text("label,text\n1,a b\n")

    def texts(name: str, **settings: Any) -> list[str]:
        selected = Selection("reader", "auto", None)
        config = LMConfig(train=str(tmp_path / name), reader=selected, tokens_per_sample=2, **settings)
        task = LMTask(config, reader=Auto, **MORE)
        return list(task.training_texts())

    assert ["a b", "b\nc"] == texts("t.csv", text_column="body")
    assert ["label,text", "1,a b"] == texts("t.txt")
    with pytest.raises(
        DataError, match=r"no column 'text'; its first line names 'label', 'body'.*task\.reader\.name=lines"
    ):
        texts("t.csv")


@pytest.mark.parametrize("format_", ["csv", "tsv", "json"])
def test_a_format_is_a_reader_s_name(tmp_path, format_):
    """As before there were readers of tables; not both."""
    content = '[{"text": "a", "label": 1}]' if format_ == "json" else "text\tlabel\na\t1\n"
    (tmp_path / "x").write_text(content)
    task = ClassifyTask(ClassifyConfig(train=str(tmp_path / "x"), format=format_), **MORE)

    assert ["a"] == list(task.training_texts())
    with pytest.raises(ConfigError, match=r"format=csv and reader\.name=jsonl both say"):
        ClassifyConfig(train="x", format="csv", reader=Selection("reader", "jsonl", None))


@pytest.mark.parametrize("separator", ["", "ab", '"', "\n"])
def test_a_separator_is_one_character(separator):
    """And none that has another meaning; a tab has a name."""
    with pytest.raises(ConfigError, match=r"separator=.* must be a single character"):
        LMConfig(train="x", separator=separator)
    assert "\t" == LMConfig(train="x", separator="tab").tables.separator
