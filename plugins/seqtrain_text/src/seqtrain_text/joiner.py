"""Text whose words are segmented already in the user's files, and how to put the words together again."""

from __future__ import annotations

import re
from collections.abc import Sequence

SENTENCEPIECE = "sentencepiece"
"""The joiner of text that sentencepiece has split: blanks between pieces, and U+2581 where a word begins."""

WORD_START = "\N{LOWER ONE EIGHTH BLOCK}"  # U+2581

_MARKS = {SENTENCEPIECE: re.compile(WORD_START), "@@ ": re.compile(r"\S@@(?: |$)")}
_SEGMENTED_SHARE = 0.1
"""Lines with a mark, of all lines, from which a text is no longer taken for one that merely mentions the mark."""


def undo_joiner(text: str, joiner: str | None) -> str:
    """
    Put words together again.

    Args:
        text: parts with blanks between.
        joiner: what was put between the parts of a word, such as "@@ "; "sentencepiece" for pieces of that library;
            None: words are whole.
    """
    if joiner == SENTENCEPIECE:
        return text.replace(" ", "").replace(WORD_START, " ").strip(" ")
    # A part that ends the text has lost the joiner's space.
    return f"{text} ".replace(joiner, "").rstrip(" ") if joiner else text


def find_joiner(lines: Sequence[str]) -> str | None:
    """Return the joiner that a text looks as if it needed; None: its words look whole."""
    for joiner, mark in _MARKS.items():
        if sum(mark.search(line) is not None for line in lines) > _SEGMENTED_SHARE * len(lines):
            return joiner
    return None
