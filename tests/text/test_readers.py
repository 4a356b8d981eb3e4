"""Readers: `lines`, and those of other plugins, which are checked while they read."""

from __future__ import annotations

import gzip
import json
import logging
import pkgutil

import pytest

from seqtrain.errors import DataError, PluginError
from seqtrain_text.config import WhitespaceConfig
from seqtrain_text.files import scan_text
from seqtrain_text.plugin import seqtrain_components
from seqtrain_text.readers import CheckedReader, Lines, as_text_reader
from seqtrain_text.store import Column, LinePolicy, build_stores
from seqtrain_text.symbols import whitespace

SKIP = LinePolicy(empty="skip", too_long="skip", max_length=4)


class JSONField:
    """Reads one field of each object in a JSON list."""

    def __init__(self, field="text"):
        self.field = field

    def __call__(self, path):
        for item in json.loads(path.read_text()):
            yield item[self.field]


def checked(field="text"):
    return CheckedReader(JSONField(field), "acme/json")


def write(path, *texts, **more):
    path.write_text(json.dumps([{"text": text, **more} for text in texts]))
    return path


@pytest.fixture
def tokenizer():
    """Knows a to e as 4 to 8."""
    tokenizer = whitespace(WhitespaceConfig())
    tokenizer.train(["a b c d e"])
    return tokenizer


@pytest.fixture
def columns(tmp_path, tokenizer):
    """Return a function that makes two JSON files and their columns."""

    def make(source, target, reader=None):
        return [
            Column(write(tmp_path / f"x.{name}", *texts), tokenizer, name, reader or checked())
            for name, texts in (("en", source), ("de", target))
        ]

    return make


def test_the_component_reads_the_lines_of_plain_and_packed_files(tmp_path):
    """It is offered as `lines`, is made without settings, and scans bytes."""
    (component,) = (each for each in seqtrain_components() if (each.kind, each.name) == ("reader", "lines"))
    (tmp_path / "x.en").write_bytes(b"a b\r\n\nc")
    (tmp_path / "y.en.gz").write_bytes(gzip.compress(b"d\n"))
    lines = pkgutil.resolve_name(component.ref)(None)

    assert ("lines", None) == (component.name, component.config)
    assert ["a b", "", "c"] == list(lines(tmp_path / "x.en"))
    assert ["d"] == list(lines(tmp_path / "y.en.gz"))
    assert scan_text(tmp_path / "x.en") == lines.scan(tmp_path / "x.en")
    assert lines is as_text_reader(lines, "lines")


def test_another_reader_has_its_texts_counted_and_hashed(tmp_path):
    """Not the bytes of the file: what is around the texts does not matter, and where one ends does."""
    one, same = write(tmp_path / "one", "a b", "c"), write(tmp_path / "same", "a b", "c", id=1)
    others = [
        write(tmp_path / "other1", "a b", "d"),
        write(tmp_path / "other2", "a b\nc"),
        write(tmp_path / "other3", "a bc", ""),
    ]
    reader = as_text_reader(JSONField(), "acme/json")

    assert isinstance(reader, CheckedReader)
    assert ["a b", "c"] == list(reader(one))
    assert 2 == reader.scan(one).count
    assert reader.scan(same) == reader.scan(one)
    assert 4 == len({reader.scan(path).sha256 for path in (one, *others)})


def test_a_file_without_texts_has_none(tmp_path):
    """None at all are counted as 0."""
    assert 0 == checked().scan(write(tmp_path / "x")).count


def test_only_lines_reads_packed_files():
    """Whoever looks for the files of another reader takes no `.gz` for it."""
    assert (True, False) == (Lines().packed, checked().packed)


def failing(error):
    def read(path):
        yield "a"
        raise error

    return CheckedReader(read, "acme/json")


@pytest.mark.parametrize(
    ("reader", "kind", "said"),
    [
        (failing(KeyError("txt")), PluginError, r"The reader 'acme/json' failed on .*x: KeyError: 'txt'.*task\.reader"),
        (failing(DataError("x:3: no JSON")), DataError, r"^x:3: no JSON$"),
        (failing(OSError(5, "Input/output error")), DataError, r"Cannot read .*x: Input/output error\."),
        (CheckedReader(lambda path: ["a", 3], "r"), PluginError, r"'r' took int out of .*x, where texts are expected"),
        (CheckedReader(lambda path: ["a", b"a"], "r"), PluginError, r"'r' took bytes out of .*x"),
        (CheckedReader(lambda path: None, "r"), PluginError, r"'r' failed on .*x: TypeError"),
        (
            CheckedReader(lambda path: ["a", "b\ud83d"], "r"),
            DataError,
            r"x, text 2: the text has '.ud83d', half of a character, as character 2",
        ),
    ],
)
def test_what_a_reader_does_wrong_is_said_with_its_name(tmp_path, reader, kind, said):
    """Its own errors of data arrive as they are; the rest is not taken for a bug of ours."""
    with pytest.raises(kind, match=said):
        list(reader(tmp_path / "x"))
    with pytest.raises(kind, match=said):
        reader.scan(tmp_path / "x")


def test_whoever_stops_reading_early_is_not_bothered(tmp_path):
    """Closing the generator is no failure."""
    texts = failing(ValueError())(tmp_path / "x")

    assert "a" == next(texts)
    texts.close()


def test_a_store_is_made_of_any_readers_texts(tmp_path, columns):
    """Rows, skipped texts and places go by the number of the text."""
    source, target = build_stores(
        columns(["a b", "", "c", "d e a", "z"], ["b a", "b", "a b c d", "e", "b"]), cache=tmp_path / "c", policy=SKIP
    )

    assert [3, 4, 2] == source.lengths(0, 3).tolist()
    assert [1, 4, 5] == [source.line_number(i) for i in range(3)]
    assert f"{tmp_path / 'x.de'}, text 4" == target.describe(1)


def test_what_the_reader_makes_of_the_file_is_what_the_cache_goes_by(tmp_path, tokenizer):
    """Other settings that give other texts make another entry; a second time, what is there is used."""
    path = write(tmp_path / "x", "a b", "c", title="d")
    policy = LinePolicy(empty="skip", too_long="truncate", max_length=4)
    prints = [
        build_stores([Column(path, tokenizer, "text", reader)], cache=tmp_path / "cache", policy=policy)[0].fingerprint
        for reader in (checked(), checked("title"), checked(), Lines())
    ]

    assert prints[0] == prints[2]
    assert 3 == len(set(prints)) == len(list((tmp_path / "cache").iterdir()))


def test_the_cache_of_lines_goes_by_the_bytes_of_the_file(tmp_path, tokenizer, monkeypatch):
    """Nothing is decoded to find what was made before."""
    (tmp_path / "x").write_text("a b\nc\n")
    column = Column(tmp_path / "x", tokenizer, "text")
    build_stores([column], cache=tmp_path / "cache", policy=SKIP)
    monkeypatch.setattr(Lines, "__call__", lambda *_: pytest.fail("the file was read line by line"))

    assert 2 == len(build_stores([column], cache=tmp_path / "cache", policy=SKIP)[0])


@pytest.mark.parametrize(
    ("source", "target", "policy", "said"),
    [
        (["a", ""], ["a", "b"], "error", r"x\.en, text 2: the text is empty"),
        (["a", "b"], ["a", "a b c d"], "error", r"x\.de, text 2: the text has 5 tokens.*at most 4"),
        ([], ["a"], "skip", r"x\.en is empty: it has no texts"),
        (["a", "b"], ["", ""], "skip", r"All 2 texts of .*x\.de are empty"),
        (["a", ""], ["", "b"], "skip", r"None of 2 texts is left"),
        (["a", "b"], ["a"], "skip", r"x\.en has 2 texts but .*x\.de has 1; text N of one.*they part at text \d"),
    ],
)
def test_errors_count_in_texts(tmp_path, columns, source, target, policy, said):
    """A text need not be a line, so no line number is made up."""
    policy = LinePolicy(empty=policy, too_long=policy, max_length=4)

    with pytest.raises(DataError, match=said):
        build_stores(columns(source, target), cache=tmp_path / "cache", policy=policy)


def test_what_is_left_out_is_reported_in_texts(tmp_path, columns, caplog):
    """In warnings, too."""
    with caplog.at_level(logging.INFO):
        build_stores(columns(["a", ""], ["a", "b"]), cache=tmp_path / "cache", policy=SKIP)

    assert "1 texts of" in caplog.text
    assert "(the first: text 2) and were left out" in caplog.text
    assert "1 of 2 texts" in caplog.text


def test_a_reader_whose_second_reading_differs_is_noticed(tmp_path, tokenizer):
    """It must give the same texts at every call."""
    given = iter([["a", "b", "c"], ["a", "b"]])
    column = Column(tmp_path / "x", tokenizer, "text", CheckedReader(lambda path: next(given), "r"))

    with pytest.raises(DataError, match="changed while it was read"):
        build_stores([column], cache=tmp_path / "cache", policy=SKIP)
