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


@given(st.text("abc ", max_size=100), st.text("abc ", max_size=100))
def test_between_differences_texts_are_the_same(text, other):
    """Whatever the texts: a difference begins where they part, and at the end nothing is left of either."""
    here = there = 0
    for part, instead in differences(text, other):
        pairs = list(zip(text[here:], other[there:], strict=False))
        same = next((place for place, (one, another) in enumerate(pairs) if one != another), len(pairs))
        here, there = here + same, there + same

        assert part or instead
        assert text.startswith(part, here)
        assert other.startswith(instead, there)
        here, there = here + len(part), there + len(instead)
    assert text[here:] == other[there:]


def test_long_texts_take_little_time():
    """Differences are looked for nearby, so time is in proportion to length."""
    text = "some words and  more " * 50_000
    found = list(differences(text, text.replace("  ", " ")))

    assert [(" ", "")] * 50_000 == found
