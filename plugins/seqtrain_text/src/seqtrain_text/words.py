"""Words: where a text is split into them, and where they stand without a blank between when it is put together."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import regex  # type: ignore[import-untyped]

find_words: Callable[[str], list[str]] = regex.compile(r"[\w\p{N}]+|(?!\s)\X").findall
r"""
Find runs of letters, digits, their combining marks and joiners, and every other character by itself.

`regex` counts marks to `\w`, which `re` does not, and takes no number that is no digit, such as the square in "m2".
"""

find_words_without_marks: Callable[[str], list[str]] = re.compile(r"\w+|[^\w\s]").findall
"""Find words as the first vocabularies were learned: a combining mark ends a word and stands by itself."""

_OPENING = r"[\p{Ps}\p{Pi}¿¡]"
_CLOSING = r"[\p{Pe}\p{Pf}\p{Terminal_Punctuation}…%]"
_NEVER_SPACED = (
    r"[\u05be\u05f3\u05f4"  # of Hebrew, within words
    r"\u0f0b\u0f0c"  # between the syllables of Tibetan
    r"\u3001-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"  # of Chinese and Japanese
    r"\u00ad\u200b\u2060\ufeff]"  # invisible
)
_RULES = [
    (regex.compile(pattern), replacement)
    for pattern, replacement in (
        (r'" (.*?) "', r'"\1"'),
        (r"\u201e (.*?) ([\u201c\u201d])", "\u201e\\1\\2"),
        (r"\u00bb (.*?) \u00ab", "\u00bb\\1\u00ab"),
        (rf"(?<!\S)({_OPENING}) ", r"\1"),
        (rf" (?={_CLOSING}(?:\s|{_CLOSING}|[\"'\u201c\u00ab]|$))", ""),
        (r"(?<=\w) (['\u2019\u2010/-]) (?=\w)", r"\1"),
        (r"(?<=\w\u2019) (?=\w)", ""),
        (r"(?<=\d[.,:]) (?=\d)", ""),
        (rf" ?({_NEVER_SPACED}) ?", r"\1"),
    )
]


def join_words(words: Sequence[str]) -> str:
    """Put words and marks together as they are usually written, which is a guess where a mark stands on either side."""
    text = " ".join(words)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
