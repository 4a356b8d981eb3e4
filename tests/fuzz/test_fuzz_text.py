"""Every file that text comes from, and every file that is made of it, broken in every way."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqtrain.inference.predict import read_lines
from seqtrain_classify.config import ClassifyConfig
from seqtrain_classify.examples import ExampleReader, scan_table
from seqtrain_classify.labels import load_labels, save_labels
from seqtrain_classify.task import make_kind
from seqtrain_text.auto_reader import Auto
from seqtrain_text.config import (
    BPEConfig,
    CharConfig,
    HuggingFaceConfig,
    UnigramConfig,
    WhitespaceConfig,
    WordConfig,
)
from seqtrain_text.hugging_face import HuggingFace
from seqtrain_text.readers import Lines, as_text_reader
from seqtrain_text.sentence_piece import bpe, unigram
from seqtrain_text.store import Column, LinePolicy, build_stores
from seqtrain_text.symbols import char, whitespace, word

ALL = os.environ.get("SEQTRAIN_FAULT_TRIALS") == "all"
TRIALS = 1000 if ALL else 60
fuzzed = settings(
    max_examples=TRIALS,
    deadline=None,
    derandomize=not ALL,  # the suite of every day finds what it found before; the long one looks for more
    suppress_health_check=list(HealthCheck),
)
fewer = settings(fuzzed, max_examples=TRIALS // 5)  # where each input costs a vocabulary

TEXT = "the quick brown fox\n\njumps over  the lazy dog\r\nä ö ü \u2028 and\tß\nhello hello world"
BYTES = st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
TOKENIZERS: dict[str, Callable[[], Any]] = {
    "word": lambda: word(WordConfig()),
    "char": lambda: char(CharConfig()),
    "whitespace": lambda: whitespace(WhitespaceConfig()),
    "bpe": lambda: bpe(BPEConfig(vocab_size=50)),
    "unigram": lambda: unigram(UnigramConfig(vocab_size=50)),
    "hf": lambda: HuggingFace(HuggingFaceConfig(vocab_size=270)),
}
TABLES = {
    "tsv": "text\tlabel\nthe fox\t1\nthe dog\t0\n\tx\n",
    "csv": 'text,label\n"the ""fox""",1\n"a\nb",0\nc,2\n',
    "jsonl": '{"text": "the fox", "label": 1}\n\n{"text": "dog", "label": ["0", "1"]}\n{"text": "", "label": null}\n',
}
SKIP = LinePolicy(empty="skip", too_long="skip", max_length=12)
AUTO = as_text_reader(Auto(), "auto", is_table=True)


def content_of(how: str, data: st.DataObject, whole: bytes, breaking_bytes: Callable[..., bytes]) -> bytes:
    return data.draw(BYTES) if how == "any bytes" else breaking_bytes(data, whole)


def text_of(content: bytes) -> str:
    """Return what a file holds, as its first bytes tell."""
    if content.startswith(b"\x1f\x8b\x08"):
        content = gzip.decompress(content)
    marks = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}
    marks |= {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
    encodings = [encoding for mark, encoding in marks.items() if content.startswith(mark)]
    return content.decode([*encodings, "utf-8-sig"][0])


HOW = ["any bytes", "changed"]
any_way = pytest.mark.parametrize("how", HOW)


@pytest.mark.fault("F31")
@any_way
@pytest.mark.parametrize("name", ["x.txt", "x.txt.gz"])
@fuzzed
@given(data=st.data())
def test_lines_are_counted_and_read_alike(data, name, how, tmp_path, breaking_bytes, ours, count):
    """A file that can be read has as many lines as were counted, and each is there to the letter."""
    whole = TEXT.encode() if name == "x.txt" else gzip.compress(TEXT.encode(), mtime=0)
    path = tmp_path / name
    path.write_bytes(content_of(how, data, whole, breaking_bytes))
    count()

    with ours(name):
        scan, lines = Lines().scan(path), list(Lines()(path))
        content = text_of(path.read_bytes())
        ended = content.removesuffix("\n") + "\n"
        assert len(lines) == scan.count == ended.count("\n") * bool(content)
        assert "\n".join(lines) == ended.replace("\r\n", "\n").removesuffix("\n")


@pytest.mark.fault("F31")
@fuzzed
@given(content=BYTES)
def test_any_input_of_predict_is_read_or_refused(content, ours, count):
    """By file and line."""
    count()

    with ours("x.txt, line", "x.txt is"):
        lines = list(read_lines(io.BytesIO(content), "x.txt"))
        content = content.removeprefix(codecs.BOM_UTF8)
        assert len(lines) == content.count(b"\n") + (content[-1:] not in (b"", b"\n"))


@pytest.mark.fault("F31")
@fuzzed
@given(texts=st.lists(st.text() | st.text(st.characters(categories=["Cs"])) | st.none() | st.binary(max_size=3)))
def test_whatever_a_reader_yields_is_text_or_refused(texts, ours, count):
    """A reader of somebody else may yield anything."""
    reader = as_text_reader(lambda path: iter(texts), "odd")
    count()

    with ours("odd", "x.txt"):
        assert list(reader(Path("x.txt"))) == texts
        assert reader.scan(Path("x.txt")).count == len(texts)


@pytest.mark.fault("F31")
@any_way
@pytest.mark.parametrize("kind", ["single", "multi", "regression"])
@pytest.mark.parametrize("format_", TABLES)
@settings(fuzzed, max_examples=TRIALS // 2)
@given(data=st.data())
def test_a_broken_table_is_read_or_refused(data, format_, kind, how, tmp_path, breaking_bytes, ours, count):
    """Labels are learned from it and found again in it, one for each row."""
    path = tmp_path / f"x.{format_}"
    path.write_bytes(content_of(how, data, TABLES[format_].encode(), breaking_bytes))
    config = ClassifyConfig(kind=kind, train=str(path))
    reader, labels = ExampleReader(config, "skip", AUTO), make_kind(config)
    count()

    with ours(path.name):
        labels.learn(reader.labels(path, labels.read), str(path))
        scanned = scan_table(path, reader, labels)
        texts = list(scanned(path))
        assert len(texts) == scanned.scan(path).count == len(scanned.targets) == len(scanned.line_numbers)
        assert len(scanned.targets.take(np.arange(len(texts)))) == len(texts)
        assert not any(set(text) & set("\n\r\t") for text in texts)


@pytest.mark.fault("F31")
@pytest.mark.parametrize("name", TOKENIZERS)
@fewer
@given(data=st.data())
def test_a_vocabulary_and_a_store_are_made_of_any_text(data, name, tmp_path, breaking_bytes, ours, count):
    """Every line has its row, or is counted as left out."""
    path, tokenizer = tmp_path / "x.txt", TOKENIZERS[name]()
    path.write_bytes(
        content_of(data.draw(st.sampled_from(["any bytes", "changed"])), data, TEXT.encode(), breaking_bytes)
    )
    count()

    with ours("x.txt", "task.tokenizer", "There is no text"):
        tokenizer.train(Lines()(path))
        (store,) = build_stores([Column(path, tokenizer, "text")], cache=tmp_path / "cache", policy=SKIP)
        tokens, lengths = store.gather(np.arange(len(store)))
        assert len(store) + store.counts.empty + store.counts.too_long == Lines().scan(path).count
        assert tokens.min() >= 0
        assert tokens.max() < tokenizer.vocab_size
        assert lengths.sum() == store.num_tokens
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Column], Any, dict[str, bytes]]:
    """A pair of stores: the cache, their columns, what is in them, and their files."""
    folder = tmp_path_factory.mktemp("cached")
    tokenizer = TOKENIZERS["word"]()
    tokenizer.train(TEXT.splitlines())
    for side in ("en", "de"):
        (folder / f"x.{side}").write_text(TEXT, encoding="utf-8")
    columns = [Column(folder / f"x.{side}", tokenizer, side) for side in ("en", "de")]
    expected = [rows(each) for each in stores_of(columns, folder / "cache")]
    (made,) = (folder / "cache").iterdir()
    return folder / "cache", columns, expected, {path.name: path.read_bytes() for path in made.iterdir()}


def stores_of(columns: list[Column], cache: Path) -> list[Any]:
    return build_stores(columns, cache=cache, policy=SKIP)


def rows(store: Any) -> Any:
    everything = np.arange(len(store))
    flat, lengths = store.gather(everything)
    return flat.tolist(), lengths.tolist(), store.line_numbers(everything).tolist(), vars(store.counts)


@pytest.mark.fault("F24")
@pytest.mark.fault("F31")
@pytest.mark.parametrize(
    ("name", "how"),
    [
        *((name, how) for name in ("tokens-1.bin", "offsets-0.bin", "skipped.bin", "meta.json") for how in HOW),
        ("meta.json", "changed values"),
    ],
)
@settings(fuzzed, max_examples=TRIALS // 2)
@given(data=st.data())
def test_no_changed_byte_of_a_store_is_used(data, name, how, cached, breaking_bytes, breaking_tree, count):
    """It is made again from the text, and the rows are what they were."""
    cache, columns, expected, files = cached
    (folder,) = cache.iterdir()
    for each, content in files.items():  # a blank more in meta.json is no damage, and would stay
        (folder / each).write_bytes(content)
    whole = files[name]
    if how != "changed values":
        content = content_of(how, data, whole, breaking_bytes)
    else:
        content = json.dumps(breaking_tree(data, json.loads(whole))).encode()
    (folder / name).write_bytes(content)
    count()

    assert [rows(each) for each in stores_of(columns, cache)] == expected


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, bytes]]:
    """The file of each tokenizer, and what is in it."""
    files = {}
    for name, make in TOKENIZERS.items():
        folder, tokenizer = tmp_path_factory.mktemp(name), make()
        tokenizer.train(TEXT.splitlines())
        tokenizer.save(folder)
        (path,) = folder.iterdir()
        files[name] = path, path.read_bytes()
    return files


@pytest.mark.fault("F22")
@pytest.mark.fault("F31")
@pytest.mark.parametrize("how", ["any bytes", "changed", "changed values"])
@pytest.mark.parametrize("name", TOKENIZERS)
@settings(fuzzed, max_examples=TRIALS // 2)
@given(data=st.data())
def test_a_broken_vocabulary_is_refused_or_of_use(data, name, how, saved, breaking_bytes, breaking_tree, ours, count):
    """What can be loaded encodes, decodes and names its tokens; whether it is the right one, a checkpoint tells."""
    path, whole = saved[name]
    if how == "changed values" and path.suffix == ".json":
        content = json.dumps(breaking_tree(data, json.loads(whole))).encode()
    else:
        content = content_of(how, data, whole, breaking_bytes)
    path.write_bytes(content)
    tokenizer = TOKENIZERS[name]()
    count()

    with ours(path.name):
        tokenizer.load(path.parent)
        ids, _ = tokenizer.encode_batch(TEXT.splitlines())
        vocabulary = tokenizer.vocabulary()
        assert len(vocabulary) == tokenizer.vocab_size > max(ids, default=0)
        "".join([*vocabulary, tokenizer.decode(ids.tolist()), *tokenizer.tokens(ids.tolist())]).encode()


@pytest.mark.fault("F31")
@pytest.mark.parametrize("how", ["any bytes", "changed", "changed values"])
@fuzzed
@given(data=st.data())
def test_broken_labels_are_refused(data, how, tmp_path, breaking_bytes, breaking_tree, ours, count):
    """What is taken is a list of different texts."""
    save_labels("single", ["no", "yes", "ä"], tmp_path)
    path = tmp_path / "labels.json"
    whole = path.read_bytes()
    if how == "changed values":
        path.write_text(json.dumps(breaking_tree(data, json.loads(whole))))
    else:
        path.write_bytes(content_of(how, data, whole, breaking_bytes))
    count()

    with ours("labels.json"):
        labels = load_labels("single", tmp_path)
        assert all(type(label) is str for label in labels)
        assert len(set(labels)) == len(labels)


@pytest.mark.fault("F8")
@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 50_000], ids=["lists", "objects"])
def test_deep_nesting_exhausts_no_stack(content, tmp_path, ours):
    """In a vocabulary, in labels, in a table."""
    for name in ("vocabulary.json", "labels.json", "x.jsonl"):
        (tmp_path / name).write_bytes(content)
    read = [
        lambda: TOKENIZERS["word"]().load(tmp_path),
        lambda: load_labels("single", tmp_path),
        lambda: list(ExampleReader(ClassifyConfig(), "skip", AUTO).rows(tmp_path / "x.jsonl")),
    ]
    for each in read:
        with ours(str(tmp_path)):
            each()
            raise AssertionError


@pytest.mark.fault("F8")
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path, ours):
    """Nobody would ever write into it."""
    for name in ("vocabulary.json", "labels.json"):
        os.mkfifo(tmp_path / name)
    for each in (lambda: TOKENIZERS["word"]().load(tmp_path), lambda: load_labels("single", tmp_path)):
        with ours(str(tmp_path)):
            each()
            raise AssertionError
