"""Where two texts differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtrain_text.differences import differences


@pytest.mark.parametrize(
    ("text", "other", "expected"),
    [
        ("", "", []),
        ("as it is", "as it is", []),
        ("a", "", [("a", "")]),
        ("", "b", [("", "b")]),
        ("two  blanks", "two blanks", [(" ", "")]),
        (" " * 50 + "x = 1", "x = 1", [(" " * 40, ""), (" " * 10, "")]),
        ("x = 1", "y" * 50 + "x = 1", [("", "y" * 40), ("", "y" * 10)]),
        ("the \ufb01rst", "the first", [("\ufb01", "fi")]),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647", "\u0645\u06cc \u062e\u0648\u0627\u0647", [("\u200c", " ")]),
        ("Apples, Bread, Milk", "apples, bread, milk", [("A", "a"), ("B", "b"), ("M", "m")]),
        ("some punktual punks", "some <unk> <unk>", [("punktual punks", "<unk> <unk>")]),
        ("say xyzzy now, and xyzzy", "say <unk> now, and <unk>", [("xyzzy", "<unk>"), ("xyzzy", "<unk>")]),
    ],
)
def test_differences_are_the_parts_that_are_not_the_same(text, other, expected):
    """Worked by hand."""
    assert expected == list(differences(text, other))


@given(st.text("abc ", max_size=200), st.text("abc ", max_size=200))
def test_replacing_the_differences_makes_one_text_of_the_other(text, other):
    """Whatever the texts: each difference is found behind the one before it, and what is between them is the same."""
    made, here = "", 0
    for part, instead in differences(text, other):
        same = 0
        while not (text.startswith(part, here + same) and other.startswith(made + text[here : here + same] + instead)):
            same += 1
        made += text[here : here + same] + instead
        here += same + len(part)

    assert other == made + text[here:]


def test_long_texts_take_little_time():
    """Differences are looked for nearby, so time is in proportion to length."""
    text = "some words and  more " * 50_000
    found = list(differences(text, text.replace("  ", " ")))

    assert [(" ", "")] * 50_000 == found
