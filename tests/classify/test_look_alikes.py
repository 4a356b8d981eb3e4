"""Labels that a reader takes for one."""

from __future__ import annotations

import pytest

from seqtrain_classify.look_alikes import difference, look_alikes, skeleton, warn_of_look_alikes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Positive", "positive"),
        ("caf\u00e9", "cafe\u0301"),
        ("good", "go\u200bod"),
        ("good", "\ufeffgood"),
        ("good", "go\u00adod"),
        ("good", "good\ufe0f"),
        ("good", "\u200egood"),
        ("good", "good\x00"),
        ("good", "\uff47ood"),
        ("good", "g\u043eod"),
        ("\u039f\u03a1", "OP"),
        ("don't", "don\u2019t"),
        ("a-b", "a\u2011b"),
        ("\ufb01lm", "film"),
        ("a b", "a\u3000b"),
        ("1", "1.0"),
        ("1", "01"),
        ("1", "\uff11"),
        ("1000", "1e3"),
    ],
)
def test_labels_look_alike(one, other):
    """Whatever they differ in to a program."""
    assert skeleton(one) == skeleton(other)
    assert [sorted([one, other])] == look_alikes([one, "another", other])


@pytest.mark.parametrize(
    ("one", "other"),
    [("a", "\u00e4"), ("o", "0"), ("1.5", "15"), ("a b", "ab"), ("12345678901234567890", "12345678901234567891")],
)
def test_labels_do_not_look_alike(one, other):
    """Accents, blanks and the last digit of a long number are seen."""
    assert [] == look_alikes([one, other])


def test_the_difference_is_spelt_by_code_point():
    """Of what the labels do not share, the first characters."""
    assert "U+00AD SOFT HYPHEN against nothing" == difference("go\u00adod", "good")
    assert "nothing against U+0061 LATIN SMALL LETTER A" == difference("aa", "aaa")
    assert difference("A" * 9, "a" * 9).startswith("U+0041 LATIN CAPITAL LETTER A, U+0041")
    assert difference("A" * 9, "a" * 9).endswith("LETTER A, ...")
    assert "U+0000 against U+0001" == difference("\x00", "\x01")


def test_of_many_groups_the_first_are_named(caplog):
    """A column in the wrong case would fill the log."""
    counts = {f"{letter}{number}": number for number in range(7) for letter in "xX"}
    warn_of_look_alikes(counts | {"same": 1, "Same": 2, "sAme": 3, "saMe": 4, "samE": 5, "SAME": 6}, "x.csv")

    assert 1 == len(caplog.records)
    assert "x.csv: labels look alike and are told apart: 'SAME' (6 rows) and 'Same' (2 rows)" in caplog.text
    assert " and 1 more, which differ in" in caplog.text
    assert "; and 3 more such groups" in caplog.text
