"""Blocks of a file, by number, from its token store."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seqtrain.errors import DataError
from seqtrain_lm.blocks import BlockRules, Blocks, EvenBlocks, ListedBlocks, PackedBlocks, make_blocks
from seqtrain_lm.mapped_array import Numbers
from seqtrain_text.config import WordConfig
from seqtrain_text.store import Column, LinePolicy, TokenStore, build_stores
from seqtrain_text.symbols import word

LINES = ["a b c d", "e", "", "f g", "h i j k l m n", "", "", "o"]  # 5, 2, 1, 3, 8, 1, 1 and 2 tokens
MakeStore = Callable[..., TokenStore]


@pytest.fixture
def make_store(tmp_path: Path) -> MakeStore:
    """Return a function that makes the token store of some lines."""

    def make(lines: list[str] = LINES) -> TokenStore:
        path = tmp_path / "text.txt"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        tokenizer = word(WordConfig())
        tokenizer.train(lines)
        policy = LinePolicy(empty="allow", too_long="truncate", max_length=1 << 62)
        (store,) = build_stores([Column(path, tokenizer, "text")], cache=tmp_path / "cache", policy=policy)
        return store

    return make


def rules(break_mode: str, size: int = 5, too_long: str = "split", **more: bool) -> BlockRules:
    return BlockRules(size=size, break_mode=break_mode, too_long=too_long, **more)


def spans_of(blocks: Blocks) -> list[list[tuple[int, int]]]:
    """Return the spans of every block."""
    found = blocks.spans(np.arange(len(blocks)))
    spans = list(zip(found.starts.tolist(), found.lengths.tolist(), strict=True))
    stops = np.cumsum(found.per_block).tolist()
    return [spans[stop - count : stop] for stop, count in zip(stops, found.per_block.tolist(), strict=True)]


def test_even_blocks_are_full_but_the_last() -> None:
    """Where they begin and end is arithmetic."""
    blocks = EvenBlocks(11, 4, every=4)

    assert [[(0, 4)], [(4, 4)], [(8, 3)]] == spans_of(blocks)
    assert [4, 3] == blocks.lengths(1, 3).tolist()
    assert 2 == len(EvenBlocks(8, 4, every=4))
    assert [[(0, 3)]] == spans_of(EvenBlocks(3, 4, every=4))


def test_blocks_anywhere_begin_at_every_token_and_are_full() -> None:
    """The last begins where there is room for a whole one; a file without room has one short block."""
    assert [[(0, 4)], [(1, 4)], [(2, 4)]] == spans_of(EvenBlocks(6, 4, every=1))
    assert [[(0, 3)]] == spans_of(EvenBlocks(3, 4, every=1))


def test_listed_blocks_are_found_by_number() -> None:
    """In any order, and their lengths in spans."""
    blocks = ListedBlocks([(0, 3), (4, 2), (9, 5)])

    assert 3 == len(blocks)
    assert [[(9, 5)], [(0, 3)]] == [spans_of(blocks)[2], spans_of(blocks)[0]]
    assert [9, 0] == blocks.spans(np.array([2, 0])).starts.tolist()
    assert [2, 5] == blocks.lengths(1, 3).tolist()


def test_packed_blocks_have_several_spans() -> None:
    """Spans are put together by best fit, and stay in their order."""
    blocks = PackedBlocks([(0, 3), (3, 4), (7, 1), (8, 2), (10, 5)], 5)

    assert [[(0, 3), (8, 2)], [(3, 4), (7, 1)], [(10, 5)]] == spans_of(blocks)
    assert [5, 5, 5] == blocks.lengths(0, 3).tolist()


def test_packing_goes_on_from_chunk_to_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is packed together is a matter of the chunk; no span is lost between two."""
    monkeypatch.setattr("seqtrain_lm.blocks.CHUNK", 2)
    blocks = PackedBlocks([(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)], 5)

    assert [[(0, 1), (1, 1)], [(2, 1), (3, 1)], [(4, 1)]] == spans_of(blocks)


@pytest.mark.parametrize(
    ("break_mode", "expected"),
    [
        ("none", [(0, 5), (5, 5), (10, 5), (15, 5), (20, 3)]),
        ("complete", [(0, 5), (5, 3), (8, 3), (11, 5), (16, 5), (21, 2)]),
        ("complete_doc", [(0, 5), (5, 2), (8, 3), (11, 5), (16, 3), (21, 2)]),
        ("eos", [(0, 5), (5, 2), (8, 3), (11, 5), (16, 3), (21, 2)]),
    ],
)
def test_break_modes_cut_a_file(make_store: MakeStore, break_mode: str, expected: list[tuple[int, int]]) -> None:
    """Lines of 5, 2, 1, 3, 8, 1, 1 and 2 tokens in blocks of 5."""
    assert [[span] for span in expected] == spans_of(make_blocks(make_store(), rules(break_mode), "text.txt"))


def test_documents_are_packed_on_request(make_store: MakeStore) -> None:
    """A block then has spans of several documents."""
    blocks = make_blocks(make_store(), rules("complete_doc", packed=True), "text.txt")

    assert [[(0, 5)], [(5, 2), (8, 3)], [(11, 5)], [(16, 3), (21, 2)]] == spans_of(blocks)


@pytest.mark.parametrize(("too_long", "done"), [("split", "split"), ("truncate", "cut off"), ("skip", "left out")])
def test_lines_above_the_size_are_reported(
    make_store: MakeStore, caplog: pytest.LogCaptureFixture, too_long: str, done: str
) -> None:
    """How many, where the first is, and what became of them."""
    with caplog.at_level(logging.WARNING):
        make_blocks(make_store(), rules("eos", too_long=too_long), "text.txt")

    assert f"1 lines of text.txt are longer than 5 tokens (the first: line 5) and were {done}" in caplog.text


def test_empty_lines_are_reported_without_alarm(make_store: MakeStore, caplog: pytest.LogCaptureFixture) -> None:
    """They only separate documents."""
    with caplog.at_level(logging.INFO):
        make_blocks(make_store(), rules("complete_doc"), "text.txt")

    reports = [record for record in caplog.records if "empty lines" in record.message]
    assert ["3 empty lines of text.txt are in no block"] == [record.message for record in reports]
    assert ["INFO"] == [record.levelname for record in reports]


@pytest.mark.parametrize("break_mode", ["complete", "complete_doc", "eos"])
def test_lines_above_the_size_can_be_an_error(make_store: MakeStore, break_mode: str) -> None:
    """The policy `error` names file, line, and what to set."""
    with pytest.raises(DataError, match=r"text\.txt:5: the line has 8 tokens.*5 at most.*task\.too_long=split"):
        make_blocks(make_store(), rules(break_mode, too_long="error"), "text.txt")


def test_the_error_comes_for_a_last_line_too(make_store: MakeStore) -> None:
    """Even if no block follows the line."""
    with pytest.raises(DataError, match=r"text\.txt:2: the line has 6 tokens"):
        make_blocks(make_store(["a", "b c d e f"]), rules("eos", too_long="error"), "text.txt")


def test_a_file_of_which_nothing_is_left_is_refused(make_store: MakeStore) -> None:
    """The error names the file and the remedy."""
    with pytest.raises(DataError, match=r"Nothing is left of text\.txt: all 2 lines.*Raise task\.tokens_per_sample"):
        make_blocks(make_store(["a b c", "d e f"]), rules("eos", 3, too_long="skip"), "text.txt")


def test_numbers_are_read_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read is let go when it adds up, and is there again when needed."""
    monkeypatch.setattr("seqtrain_lm.mapped_array.RELEASE_AFTER", 1000)
    with Numbers(2) as table:
        for start in range(0, 3000, 1000):
            table.append(np.arange(start, start + 1000).reshape(-1, 2))

    assert 1500 == len(table)
    assert list(range(3000)) == np.concatenate([table.rows(i, i + 100) for i in range(0, 1500, 100)]).flatten().tolist()
    assert [[2998, 2999], [0, 1]] == table.take(np.array([1499, 0])).tolist()


def test_no_numbers_are_a_table_too() -> None:
    """An empty file cannot be mapped."""
    with Numbers(3) as table:
        pass

    assert (0, 3) == table.rows(0, 0).shape
