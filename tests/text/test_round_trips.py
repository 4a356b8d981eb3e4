"""What tokenizers do to text, by counts worked by hand."""

from __future__ import annotations

import pytest

from seqtrain_text.config import BPEConfig, CharConfig, WhitespaceConfig, WordConfig
from seqtrain_text.round_trips import LOOKED_AT, LineSample, RoundTrips, look_at
from seqtrain_text.sentence_piece import bpe
from seqtrain_text.symbols import char, whitespace, word
from seqtrain_text.tokenizer import LONGEST_LINE

LINES = [
    "plain",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 a",
    "the \ufb01rst \ufb01sh",
    "x\uff0c y",
    "two  blanks",
] * 8


def trained(tokenizer, lines=LINES):
    tokenizer.train(lines)
    return tokenizer


@pytest.mark.parametrize(
    ("normalization", "expected"),
    [
        ("identity", RoundTrips(40, 0, 0)),
        (
            "nmt_nfkc",
            RoundTrips(40, 32, 0, (("\u200c", " ", 8), ("\ufb01", "fi", 8), ("\uff0c", ",", 8), (" ", "", 8))),
        ),
    ],
)
def test_normal_forms_lose_characters(normalization, expected):
    """Four of five lines are changed by nmt_nfkc, each in its way; a difference counts once a line."""
    assert expected == look_at(trained(bpe(BPEConfig(vocab_size=100, normalization=normalization))), LINES, 1 << 20)


def test_unknown_characters_are_named():
    """A character that was not learned comes back as unknown, however that is written."""
    lines = ["plain", "pla\u5b57in", "plain\u5b57 and \u20ac"]
    for tokenizer in (bpe(BPEConfig(vocab_size=100)), char(CharConfig())):
        found = look_at(trained(tokenizer, ["plain and a"]), lines, 1 << 20)

        assert RoundTrips(3, 2, 2, (("\u5b57", "<unk>", 2), ("\u20ac", "<unk>", 1))) == found


def test_words_lose_odd_blanks():
    """Split at blanks, or into words, a text loses all but single ones."""
    lines = ["  return x", "as it is"]

    for tokenizer in (whitespace(WhitespaceConfig()), word(WordConfig())):
        assert RoundTrips(2, 1, 0, ((" ", "", 1),)) == look_at(trained(tokenizer, lines), lines, 1 << 20)


def test_lines_that_are_cut_are_passed_over():
    """Those of as many tokens as the policy allows, the end not counted, are not seen whole by any model."""
    tokenizer = trained(whitespace(WhitespaceConfig()), ["a b c"])

    assert RoundTrips(1, 0, 0) == look_at(tokenizer, ["a b", "a  b c"], 3)


@pytest.mark.parametrize(("num_lines", "step"), [(3, 1), (LOOKED_AT, 1), (LOOKED_AT + 1, 2), (3 * LOOKED_AT, 3)])
def test_a_sample_is_evenly_spaced(num_lines, step):
    """However the lines come."""
    lines = [str(number) for number in range(num_lines)]
    for size in (7, 1000, num_lines):
        sample = LineSample(num_lines)
        for start in range(0, num_lines, size):
            sample.add(lines[start : start + size])

        assert lines[::step] == sample.lines


def test_of_a_long_line_the_beginning_is_looked_at():
    """So that a corpus of one line costs no more than others."""
    sample = LineSample(1)
    sample.add(["ab " * LONGEST_LINE])

    assert [("ab " * LONGEST_LINE)[:9_998]] == sample.lines
