"""Token stores: rows worked by hand, policies, reuse, and damage."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest

from seqtrain.errors import DataError
from seqtrain_text import binarise, store
from seqtrain_text.config import CharConfig, WhitespaceConfig
from seqtrain_text.readers import Lines
from seqtrain_text.store import Column, LinePolicy, build_stores
from seqtrain_text.symbols import char, whitespace

SKIP = LinePolicy(empty="skip", too_long="skip", max_length=4)


class Counting:
    """A tokenizer that counts the lines it encodes."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.num_lines = 0

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)

    def encode_batch(self, lines):
        self.num_lines += len(lines)
        return self.tokenizer.encode_batch(lines)


@pytest.fixture
def tokenizer():
    """Knows a to e as 4 to 8."""
    tokenizer = whitespace(WhitespaceConfig())
    tokenizer.train(["a b c d e"])
    return Counting(tokenizer)


@pytest.fixture
def pair(tmp_path, tokenizer):
    """Two files of five lines: fine, source empty, target too long, fine, unknown word."""
    (tmp_path / "x.en").write_text("a b\n\nc\nd e a\nz\n")
    (tmp_path / "x.de").write_text("b a\nb\na b c d\n e \nb\n")
    return [Column(tmp_path / "x.en", tokenizer, "source"), Column(tmp_path / "x.de", tokenizer, "target")]


def rows_of(tokens):
    flat, lengths = tokens.gather(np.arange(len(tokens)))
    assert flat.dtype == np.int64
    return [row.tolist() for row in np.split(flat, np.cumsum(lengths)[:-1])]


def test_skipped_lines_leave_both_sides(tmp_path, pair):
    """Rows end in eos (2); row numbers close up, line numbers do not."""
    source, target = build_stores(pair, cache=tmp_path / "cache", policy=SKIP)

    assert [[4, 5, 2], [7, 8, 4, 2], [3, 2]] == rows_of(source)
    assert [[5, 4, 2], [8, 2], [5, 2]] == rows_of(target)
    assert [3, 2, 2] == target.lengths(0, 3).tolist()
    assert [2] == target.lengths(1, 2).tolist()
    assert [1, 4, 5] == [source.line_number(i) for i in range(3)]
    assert f"{tmp_path / 'x.de'}:4" == target.describe(1)
    assert (9, 1) == (source.counts.tokens, source.counts.unknown)
    assert (1, 2) == (source.counts.empty, source.counts.first_empty)
    assert (1, 3) == (target.counts.too_long, target.counts.first_too_long)


def test_rows_come_in_the_order_asked_for(tmp_path, pair):
    """Indices may repeat and go backwards."""
    source, _ = build_stores(pair, cache=tmp_path, policy=SKIP)

    flat, lengths = source.gather(np.array([2, 0, 2]))

    assert [3, 2, 4, 5, 2, 3, 2] == flat.tolist()
    assert [2, 3, 2] == lengths.tolist()
    assert [0, 0] == [array.size for array in source.gather(np.array([], np.int64))]


def test_stretches_of_tokens_are_read_across_rows(tmp_path, pair, monkeypatch):
    """All rows are one stream, [4 5 2 7 8 4 2 3 2], of which any spans can be asked for, in pieces."""
    source, _ = build_stores(pair, cache=tmp_path, policy=SKIP)
    monkeypatch.setattr(store, "ROWS_AT_ONCE", 2)

    assert [5, 2, 7, 2, 4] == source.read(np.array([1, 8, 0]), np.array([3, 1, 1])).tolist()
    assert [] == source.read(np.array([], np.int64), np.array([], np.int64)).tolist()
    assert [0, 0, 0, 1, 1, 1, 1, 2, 2] == [source.row_at(token) for token in range(9)]


def test_empty_lines_may_be_text_like_other(tmp_path, tokenizer, caplog):
    """They are kept, counted, and nothing is said."""
    (tmp_path / "x.txt").write_text("a\n\nb\n")
    policy = LinePolicy(empty="allow", too_long="truncate", max_length=1 << 62)
    with caplog.at_level(logging.WARNING):
        (text,) = build_stores([Column(tmp_path / "x.txt", tokenizer, "text")], cache=tmp_path, policy=policy)

    assert [[4, 2], [2], [5, 2]] == rows_of(text)
    assert 1 == text.counts.empty
    assert "" == caplog.text


def test_truncating_keeps_the_beginning_and_keeping_keeps_empty_rows(tmp_path, pair):
    """No line is left out then; max_length counts the eos."""
    policy = LinePolicy(empty="keep", too_long="truncate", max_length=3)

    source, target = build_stores(pair, cache=tmp_path, policy=policy)

    assert [[4, 5, 2], [2], [6, 2], [7, 8, 2], [3, 2]] == rows_of(source)
    assert [[5, 4, 2], [5, 2], [4, 5, 2], [8, 2], [5, 2]] == rows_of(target)
    assert [1, 2, 3, 4, 5] == [target.line_number(i) for i in range(5)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (LinePolicy(empty="error", too_long="skip", max_length=9), r"x\.en:2: the line is empty"),
        (LinePolicy(empty="skip", too_long="error", max_length=4), r"x\.de:3: the line has 5 tokens.*at most 4"),
    ],
)
def test_an_error_policy_names_the_first_line(tmp_path, pair, policy, expected):
    """File, line and length are told, and nothing stays in the cache."""
    with pytest.raises(DataError, match=expected):
        build_stores(pair, cache=tmp_path / "cache", policy=policy)

    assert [] == list((tmp_path / "cache").iterdir())


def test_blocks_make_no_difference(tmp_path, pair, monkeypatch):
    """Reading a line at a time gives the same files as reading all at once."""
    whole = build_stores(pair, cache=tmp_path / "whole", policy=SKIP)
    monkeypatch.setattr(binarise, "BLOCK_LINES", 1)
    told = []
    single = build_stores(pair, cache=tmp_path / "single", policy=SKIP, progress=lambda *done: told.append(done))

    assert [(n, 5) for n in range(1, 6)] == told
    for one, other in zip(whole, single, strict=True):
        assert rows_of(one) == rows_of(other)
        assert one.counts == other.counts
        assert [one.line_number(i) for i in range(3)] == [other.line_number(i) for i in range(3)]


def test_the_second_time_nothing_is_tokenised(tmp_path, pair, tokenizer, caplog):
    """Equal content is found wherever the files lie, and its flaws are told again."""
    first = build_stores(pair, cache=tmp_path / "cache", policy=SKIP)
    encoded = tokenizer.num_lines
    moved = []
    for column in pair:
        path = tmp_path / "moved" / column.path.name
        path.parent.mkdir(exist_ok=True)
        moved.append(Column(shutil.copy(column.path, path), tokenizer, column.name))
    caplog.clear()
    second = build_stores(moved, cache=tmp_path / "cache", policy=SKIP)

    assert encoded == tokenizer.num_lines == 10 + 10  # all lines, and the sample that is looked at
    assert [each.fingerprint for each in first] == [each.fingerprint for each in second]
    assert rows_of(first[0]) == rows_of(second[0])
    assert f"{tmp_path / 'moved' / 'x.en'}:1" == second[0].describe(0)
    assert "1 lines of" in caplog.text
    assert "were left out" in caplog.text


def test_what_the_tokenizer_loses_is_told_each_time(tmp_path, pair, caplog):
    """The store remembers: one unknown line of five of the source, and of the target one that loses two blanks."""
    caplog.set_level(logging.INFO)
    target = replace(pair[1], is_written=True)
    for _ in range(2):
        caplog.clear()
        stores = build_stores([pair[0], target], cache=tmp_path / "cache", policy=SKIP)

        assert [
            {"lines": 5, "changed": 1, "with_unknown": 1, "differences": [["z", "<unk>", 1]]},
            # a b c d is too long, and so not looked at
            {"lines": 4, "changed": 1, "with_unknown": 0, "differences": [[" e ", "e", 1]]},
        ] == [each.found["round_trips"] for each in stores]
        lost = [record for record in caplog.records if "do not come back" in record.message]
        assert [("source", "WARNING"), ("target", "WARNING")] == [
            (record.message.split()[0], record.levelname) for record in lost
        ]
        assert "20 % of the lines" in lost[0].message
        assert "'z' -> <unk> (1)" in lost[0].message
        assert "25 % of the lines" in lost[1].message
        assert "' e ' -> 'e' (1)" in lost[1].message
        assert "task.tokenizer.normalization=identity" in lost[1].message
        assert "task.tokenizer.character_coverage=1" in lost[0].message


def test_rows_of_blanks_alone_are_empty(tmp_path):
    """A tokenizer that keeps blanks has tokens for them; there is nothing to translate all the same."""
    characters = char(CharConfig())
    characters.train(["a b"])
    (tmp_path / "x.en").write_text("a\n  \n \u3000\nb\n", encoding="utf-8")
    (store,) = build_stores([Column(tmp_path / "x.en", characters, "source")], cache=tmp_path, policy=SKIP)

    assert (2, 2) == (len(store), store.found["empty"])
    assert ["x.en:1", "x.en:4"] == [store.describe(row).rpartition("/")[2] for row in range(2)]


def test_fingerprints_are_those_of_the_first_version(tmp_path, pair):
    """Worked out once, and kept: a run that was begun with other ones would not be resumed."""
    stores = build_stores(pair, cache=tmp_path, policy=SKIP)

    assert ["a502a3504ac7a60d", "ce242780921a9a19"] == [each.fingerprint[:16] for each in stores]


def test_what_changes_the_rows_changes_the_fingerprint(tmp_path, pair):
    """Text, tokenizer, policy and side all count."""
    other = whitespace(WhitespaceConfig())
    other.train(["a b c"])
    (tmp_path / "y.en").write_text("a b\n\nc\nd e a\ny\n")
    variants = [
        (pair, SKIP),
        (pair, LinePolicy(empty="skip", too_long="truncate", max_length=4)),
        ([Column(pair[0].path, other, "source"), pair[1]], SKIP),
        ([Column(tmp_path / "y.en", pair[0].tokenizer, "source"), pair[1]], SKIP),
    ]
    prints = [
        each.fingerprint
        for columns, policy in variants
        for each in build_stores(columns, cache=tmp_path, policy=policy)
    ]

    assert len(prints) == len(set(prints)) == 8


DAMAGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-3]),
    "gone": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "a bit flipped": lambda path: path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])),
    "of another kind": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "another's": lambda path: path.write_bytes((path.parent / "tokens-0.bin").read_bytes()),
}


@pytest.mark.parametrize("name", ["tokens-1.bin", "offsets-0.bin", "skipped.bin", "meta.json"])
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.fault("F24")
def test_a_damaged_entry_is_made_again(tmp_path, pair, name, damage, caplog):
    """Files that are not what was written are noticed before they are used, though their size be right."""
    expected = [rows_of(each) for each in build_stores(pair, cache=tmp_path / "cache", policy=SKIP)]
    (folder,) = (tmp_path / "cache").iterdir()
    DAMAGES[damage](folder / name)
    caplog.clear()

    assert expected == [rows_of(each) for each in build_stores(pair, cache=tmp_path / "cache", policy=SKIP)]
    assert "is damaged" in caplog.text
    assert [folder] == list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize("changes", [{"lines": 1}, {"rows": 2}, {"columns": []}, {"files": {}}, {"sha256": ""}])
@pytest.mark.fault("F24")
def test_meta_that_was_edited_is_damage(tmp_path, pair, caplog, changes):
    """It is not what was written."""
    build_stores(pair, cache=tmp_path / "cache", policy=SKIP)
    (folder,) = (tmp_path / "cache").iterdir()
    (folder / "meta.json").write_text(json.dumps(json.loads((folder / "meta.json").read_text()) | changes))

    assert 3 == len(build_stores(pair, cache=tmp_path / "cache", policy=SKIP)[0])
    assert "is damaged" in caplog.text


def test_text_of_which_much_is_unknown_is_told(tmp_path, pair, tokenizer, caplog):
    """As when it is of another language than the vocabulary."""
    (tmp_path / "y.en").write_text("x y\nz z\n")

    build_stores([Column(tmp_path / "y.en", tokenizer, "source")], cache=tmp_path, policy=SKIP)

    assert f"67 % of the tokens of {tmp_path / 'y.en'} are unknown to the source vocabulary" in caplog.text
    caplog.clear()
    build_stores(pair, cache=tmp_path, policy=SKIP)
    assert "are unknown" not in caplog.text


def test_two_builders_at_once_do_no_harm(tmp_path, pair):
    """The one that comes second uses what the first has made."""
    inner = []

    def race(done, total):
        if not inner:
            inner.append(None)
            inner[:] = build_stores(pair, cache=tmp_path / "cache", policy=SKIP)

    outer = build_stores(pair, cache=tmp_path / "cache", policy=SKIP, progress=race)

    assert [rows_of(each) for each in inner] == [rows_of(each) for each in outer]
    assert 1 == len(list((tmp_path / "cache").iterdir()))


def test_unequal_line_counts_are_refused_with_a_guess(tmp_path, tokenizer):
    """Both counts are told, and where the lengths stop matching."""
    lines = ["a" * n + "\n" for n in (3, 30, 5, 60, 9, 44, 2, 80)]
    (tmp_path / "x.en").write_text("".join(lines))
    (tmp_path / "x.de").write_text("".join(lines[:3] + lines[4:]))

    with pytest.raises(DataError, match=r"x\.en has 8 lines but .*x\.de has 7; .* at line 4\."):
        build_stores(
            [Column(tmp_path / f"x.{side}", tokenizer, side) for side in ("de", "en")], cache=tmp_path, policy=SKIP
        )


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("", "", r"x\.en is empty"),
        ("a\nb\n", " \n\n", r"All 2 lines of .*x\.de are empty"),
        ("a\n\n", "\nb\n", r"None of 2 lines is left .*x\.en: 1 empty, 0 above 4 tokens"),
        ("a a a a\n", "a\n", r"None of 1 lines is left .*x\.en: 0 empty, 1 above 4 tokens"),
    ],
)
def test_text_that_leaves_nothing_is_refused(tmp_path, tokenizer, source, target, expected):
    """A dataset has at least one row."""
    (tmp_path / "x.en").write_text(source)
    (tmp_path / "x.de").write_text(target)

    with pytest.raises(DataError, match=expected):
        build_stores(
            [Column(tmp_path / f"x.{side}", tokenizer, side) for side in ("en", "de")], cache=tmp_path, policy=SKIP
        )


def test_all_lines_empty_is_refused_under_any_policy(tmp_path, tokenizer):
    """Keeping empty lines does not make text of them."""
    (tmp_path / "x").write_text("\n\n")

    with pytest.raises(DataError, match="All 2 lines"):
        build_stores(
            [Column(tmp_path / "x", tokenizer, "text")],
            cache=tmp_path,
            policy=LinePolicy(empty="keep", too_long="skip", max_length=9),
        )


def test_a_cache_that_cannot_be_written_names_its_setting(tmp_path, pair):
    """`data.cache_dir` is what to change."""
    (tmp_path / "file").write_text("")

    with pytest.raises(DataError, match=r"Cannot write binarised text.*data\.cache_dir="):
        build_stores(pair, cache=tmp_path / "file" / "cache", policy=SKIP)


@pytest.mark.parametrize("block_lines", [2, 3, 9])
def test_a_file_that_shrinks_meanwhile_is_noticed(tmp_path, pair, monkeypatch, block_lines):
    """Columns are never paired by accident, wherever a block of lines happens to end."""
    monkeypatch.setattr(binarise, "BLOCK_LINES", block_lines)
    for shorter in (0, 1):
        lengths = {pair[shorter].path: 3, pair[1 - shorter].path: 5}
        monkeypatch.setattr(Lines, "__call__", lambda _, path, lengths=lengths: iter(["a"] * lengths[path]))
        with pytest.raises(DataError, match="changed while it was read"):
            build_stores(pair, cache=tmp_path / "cache", policy=SKIP)


def test_pages_are_released_as_reading_goes_on(tmp_path, pair, monkeypatch):
    """Reading much releases what was read before, and reads on rightly."""
    monkeypatch.setattr(store, "RELEASE_AFTER", 1)
    source, _ = build_stores(pair, cache=tmp_path, policy=SKIP)
    released = []
    release = source.release
    monkeypatch.setattr(source, "release", lambda: (released.append(None), release()))
    first = rows_of(source)

    assert first == rows_of(source)
    assert [3, 4, 2] == source.lengths(0, 3).tolist()
    assert 2 == len(released)


def test_many_rows_are_read_in_pieces(tmp_path, pair, monkeypatch):
    """Cut or not, the same rows come in the same order; none at all are none."""
    source, _ = build_stores(pair, cache=tmp_path, policy=SKIP)
    chosen = np.array([2, 0, 1, 1, 0])
    whole = [each.tolist() for each in source.gather(chosen)]
    monkeypatch.setattr(store, "ROWS_AT_ONCE", 2)

    assert whole == [each.tolist() for each in source.gather(chosen)]
    assert [[], []] == [each.tolist() for each in source.gather(chosen[:0])]


def test_large_vocabularies_are_stored_in_wider_numbers(tmp_path):
    """Ids above 65535 come back as they are."""
    tokenizer = whitespace(WhitespaceConfig())
    tokenizer.train([" ".join(f"w{n:05d}" for n in range(70_000))])
    (tmp_path / "x").write_text("w69999 w00000\n")

    (tokens,) = build_stores([Column(tmp_path / "x", tokenizer, "text")], cache=tmp_path, policy=SKIP)

    assert [[70_003, 4, 2]] == rows_of(tokens)
    assert "int32" == tokens.counts.dtype


def test_progress_is_logged_now_and_then(tmp_path, pair, monkeypatch, caplog):
    """Without a progress function a line is logged at intervals."""
    monkeypatch.setattr(store, "PROGRESS_EVERY_S", 0.0)
    with caplog.at_level(logging.INFO):
        build_stores(pair, cache=tmp_path, policy=SKIP)

    assert "Binarised 5 of 5 lines (100 %)" in caplog.text
    assert "source" in caplog.text
    assert "11.11 % unknown" in caplog.text
