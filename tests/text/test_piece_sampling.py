"""How splits are drawn: merges and shares worked by hand, and the same draws in every process."""

from __future__ import annotations

import functools
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqtrain_text import bpe_dropout, piece_sampling
from seqtrain_text.bpe_dropout import Merges, merge_words
from seqtrain_text.config import BPEConfig, UnigramConfig
from seqtrain_text.flat_rows import FlatRows
from seqtrain_text.hashed_rng import uniform, word_seeds
from seqtrain_text.piece_sampling import DropoutWords, SampledWords, draw_lines
from seqtrain_text.sentence_piece import bpe, unigram
from seqtrain_text.tokenizer import digest

LINES = [
    f"{who} {verb} the {size} {what} number {n} ." for n in range(6) for who in ("a man", "two girls", "nobody")
    for verb in ("sees", "wants to see") for size in ("small", "great") for what in ("house", "river")
]  # fmt: skip
ODD = [
    "",
    " ",
    "a \u2603\u2603b",
    "  two  spaces ",
    "a\u2581b",
    "b\u2581",
    "a \n b",
    "\n",
    "\u00a0x\u00a0 y",
    "n" * 300,
]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
A, B, C, AB, BC, ABC = range(4, 10)


@functools.cache
def trained(name, normalization="nmt_nfkc"):
    """Train a tokenizer once for all tests."""
    tokenizer = {
        "bpe": lambda: bpe(BPEConfig(vocab_size=120, normalization=normalization, dropout=0.3)),
        "unigram": lambda: unigram(UnigramConfig(vocab_size=60, sampling_alpha=0.2)),
    }[name]()
    tokenizer.train(LINES)
    return tokenizer


def rows_of(rows):
    tokens, lengths = rows
    return [part.tolist() for part in np.split(tokens, np.cumsum(lengths)[:-1])]


@given(st.lists(TEXT, min_size=1, max_size=4))
@example(ODD)
@pytest.mark.parametrize("normalization", ["nmt_nfkc", "identity", "nfkc_cf"])
def test_with_no_merge_left_out_words_are_what_sentencepiece_makes_of_lines(normalization, lines):
    """So the merges and their order are the model's, whatever the text."""
    processor = trained("bpe", normalization)._processor

    assert rows_of(draw_lines(DropoutWords(processor, 0.0), lines, 1)) == processor.encode(lines)


def test_with_a_large_power_the_likeliest_split_is_drawn():
    """That is the one that sentencepiece takes."""
    processor = trained("unigram")._processor

    assert rows_of(draw_lines(SampledWords(processor, 1e4), LINES, 1)) == processor.encode(LINES)


@pytest.mark.parametrize(
    ("chances", "pieces"),
    [
        ([0.5, 0.5], [ABC]),  # ab, then abc
        ([0.5, 0.1], [AB, C]),
        ([0.1, 0.5, 0.5], [ABC]),  # not ab; bc, and then a and bc are another pair that makes abc
        ([0.1, 0.5, 0.1], [A, BC]),
        ([0.1, 0.1], [A, B, C]),
    ],
)
def test_a_merge_that_is_left_out_leaves_room_for_the_next_best(monkeypatch, chances, pieces):
    """A pair is asked once, the best of the word first; when a piece of it becomes another, it is another pair."""
    merges = Merges([None] * 4 + ["a", "b", "c", "ab", "bc", "abc"], [0] * 4 + [-9, -9, -9, -1, -2, -3])
    monkeypatch.setattr(bpe_dropout, "uniform", lambda seeds, draw: np.full(len(seeds), [*chances, 1.0][draw]))
    words = FlatRows(np.array([A, B, C, A, A, B, C], np.int32), np.array([3, 0, 1, 3]))

    found = merge_words(words, merges, 0.2, np.zeros(4, np.uint64))

    assert rows_of((found.tokens, found.lengths)) == [pieces, [], [A], pieces]


def test_of_equal_merges_the_first_comes_first():
    """aaa is aa a."""
    merges = Merges([None] * 4 + ["a", "aa"], [0] * 4 + [-9, -1])
    words = FlatRows(np.array([4, 4, 4], np.int32), np.array([3]))

    assert merge_words(words, merges, 0.0, np.zeros(1, np.uint64)).tokens.tolist() == [5, 4]


def test_ways_are_drawn_by_their_probability():
    """In proportion to p ** alpha, p being that of all ways there are."""
    tokenizer, word = trained("unigram"), "house"
    processor = tokenizer._processor
    ways = [tuple(each) for each in processor.nbest_encode_as_ids(word, 512)]
    weights = np.exp(0.2 * np.array([sum(processor.get_score(i) for i in way) for way in ways]))
    drawn = [tuple(tokenizer.sampled(1, epoch).encode_batch([word])[0].tolist()) for epoch in range(4000)]

    assert len(ways) > 1
    for way, share in zip(ways, weights / weights.sum(), strict=True):
        assert drawn.count(way) / len(drawn) == pytest.approx(share, abs=0.03)


@pytest.mark.runs
@pytest.mark.parametrize("name", ["bpe", "unigram"])
def test_another_process_draws_the_same(name):
    """In one that was started from nothing, and whatever it drew before; sentencepiece's own draws would differ."""
    tokenizer = trained(name)
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as executor:
        elsewhere = [executor.submit(digest_of_draws, name, tokenizer._model).result() for _ in range(2)]

    assert elsewhere == [digest_of_draws(name, tokenizer._model)] * 2


def digest_of_draws(name, model):
    """Hash what is drawn with a model."""
    make = {"bpe": (bpe, BPEConfig(dropout=0.3)), "unigram": (unigram, UnigramConfig(sampling_alpha=0.2))}[name]
    tokenizer = make[0](make[1])
    tokenizer._use(model)
    return digest(b"".join(part.tobytes() for part in tokenizer.sampled(5, 7).encode_batch([*LINES, *ODD])))


@pytest.mark.parametrize("name", ["bpe", "unigram"])
@settings(max_examples=30)
@given(lines=st.lists(st.sampled_from([*LINES, *ODD]), min_size=1, max_size=8))
def test_odd_lines_do_not_depend_on_others(name, lines):
    """Not even on those that cannot be taken word by word."""
    encoder = trained(name).sampled(1, 1)

    assert [rows_of(encoder.encode_batch([line]))[0] for line in lines] == rows_of(encoder.encode_batch(lines))


@pytest.mark.parametrize("name", ["bpe", "unigram"])
def test_words_are_forgotten_rather_than_that_memory_grows(name, monkeypatch):
    """What is drawn stays the same."""
    expected = rows_of(trained(name).sampled(1, 1).encode_batch(LINES))
    monkeypatch.setattr(piece_sampling, "CACHED_WORDS", 10)
    monkeypatch.setattr(piece_sampling, "CACHED_WAYS", 3)
    small = {"bpe": bpe(BPEConfig(dropout=0.3)), "unigram": unigram(UnigramConfig(sampling_alpha=0.2))}[name]
    small._use(trained(name)._model)

    assert [rows_of(small.sampled(1, 1).encode_batch([line]))[0] for line in LINES] == expected


def test_chance_is_the_same_on_every_machine():
    """Worked out once, and kept: other numbers would make a resumed run another one."""
    seeds = word_seeds(["a b", "", "c"], np.array([2, 1, 1]), (1, 2))

    assert seeds.tolist() == [
        15947235554316738650,
        17676278904483179715,
        154255256111647712,
        6093539093773384568,
    ]
    assert uniform(seeds, 0).tolist() == pytest.approx(
        [0.652463135740, 0.425336825690, 0.073624197156, 0.060708885409], abs=1e-12
    )


def test_chance_is_even():
    """Over words, draws, lines and keys, a tenth of the numbers is in each tenth, and none is there twice."""
    lines = [f"line {number}" for number in range(50)]
    found = [
        uniform(word_seeds(lines, np.full(50, 20), key), draw) for key, draw in zip(count(), range(10), strict=False)
    ]
    numbers = np.concatenate([*found, *(uniform(word_seeds(lines, np.full(50, 20), 0), draw) for draw in range(1, 10))])
    tenths = np.histogram(numbers, bins=10, range=(0, 1))[0] / len(numbers)

    assert len(set(numbers.tolist())) == len(numbers)
    assert 0 <= numbers.min() <= numbers.max() < 1
    assert tenths == pytest.approx(np.full(10, 0.1), abs=0.01)
