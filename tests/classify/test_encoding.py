"""Rows of token ids: texts, pairs, and how they are cut."""

from __future__ import annotations

import numpy as np
import pytest

from seqtrain_classify.encoding import RowEncoder, cut_longer
from seqtrain_text.config import WhitespaceConfig
from seqtrain_text.symbols import whitespace

PAD, BOS, EOS, UNK, A, B = range(6)


@pytest.fixture
def tokenizer():
    """Return one that knows `a` and `b`."""
    made = whitespace(WhitespaceConfig())
    made.train(["a a b"])
    return made


def encoded(lines, **settings):
    """Return the rows of lines, all but their ends."""
    encoder = RowEncoder(**{"is_pair": False, "prepend_bos": False, "cut_to": None, **settings})
    tokens, lengths = encoder.encode_batch(lines)
    return [row.tolist() for row in np.split(tokens, np.cumsum(lengths))[:-1]]


def test_a_text_is_its_tokens(tokenizer):
    """With bos before them if asked for; the end is added elsewhere."""
    assert [[A, B], [], [UNK]] == encoded(["a b", "", "x"], tokenizer=tokenizer)
    assert [[BOS, A, B], [BOS]] == encoded(["a b", ""], tokenizer=tokenizer, prepend_bos=True)
    assert [] == encoded([], tokenizer=tokenizer)


def test_a_pair_is_one_row(tokenizer):
    """Both texts end in eos; either may be empty."""
    lines = ["a b\tb", "\tb", "a\t"]

    assert [[A, B, EOS, B], [EOS, B], [A, EOS]] == encoded(lines, tokenizer=tokenizer, is_pair=True)
    assert [BOS, A, EOS] == encoded(lines, tokenizer=tokenizer, is_pair=True, prepend_bos=True)[2]
    assert [] == encoded([], tokenizer=tokenizer, is_pair=True)


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("a a a a a\tb", [A, A, A, EOS, B]),  # 4 for texts: 3 and 1
        ("a\tb b b b b", [A, EOS, B, B, B]),
        ("a a a a a\tb b b b b", [A, A, EOS, B, B]),
        ("a a a a\t", [A, A, A, A, EOS]),
    ],
)
def test_the_longer_text_of_a_pair_is_cut(tokenizer, line, row):
    """What is cut has one token more than fits, so that it is counted and that token goes; what fits has not."""
    (found,) = encoded([line], tokenizer=tokenizer, is_pair=True, cut_to=6)

    assert row == found[:5]
    assert (line != "a a a a\t") == (len(found) == 6)


def test_bos_takes_a_place(tokenizer):
    """One fewer is left for the texts."""
    (found,) = encoded(["a a a a\tb b"], tokenizer=tokenizer, is_pair=True, prepend_bos=True, cut_to=6)

    assert [BOS, A, A, EOS, B] == found[:5]


@pytest.mark.parametrize("room", range(1, 13))
def test_cutting_uses_all_the_room_there_is(room):
    """Nothing is longer than before, nothing that fits is cut, and what is cut is as long as the other, or longer."""
    before = np.indices((13, 13)).reshape(2, -1)
    after = cut_longer(before, room)
    is_cut = after < before

    assert (after <= before).all()
    assert np.minimum(before.sum(0), room).tolist() == after.sum(0).tolist()
    assert (after[0] >= after[1])[is_cut[0]].all()
    assert (after[1] >= after[0] - 1)[is_cut[1]].all()  # an odd token is the first text's


def test_what_decides_on_rows_is_in_the_fingerprint(tokenizer):
    """So that a store of other rows is not taken for this one; how to cut is no matter for single texts."""
    settings = {"tokenizer": tokenizer, "is_pair": False, "prepend_bos": False, "cut_to": None}
    others = [{"is_pair": True}, {"prepend_bos": True}, {"is_pair": True, "cut_to": 6}, {"is_pair": True, "cut_to": 7}]
    fingerprint = RowEncoder(**settings).fingerprint

    assert 5 == len({fingerprint, *(RowEncoder(**{**settings, **other}).fingerprint for other in others)})
    assert fingerprint == RowEncoder(**{**settings, "cut_to": 6}).fingerprint
