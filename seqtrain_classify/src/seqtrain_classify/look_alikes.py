"""Labels that a reader takes for one, and a program for several."""

from __future__ import annotations

import logging
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import takewhile

from seqtrain_classify.cells import NUMBER
from seqtrain_text.records import shorten

logger = logging.getLogger(__name__)

SHOWN_GROUPS = 5
SHOWN_CHARACTERS = 6

# Joiners, variation selectors and fillers that show nothing, and are not of Unicode's category Cf.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | set(map(chr, range(0xFE00, 0xFE10)))
# Cyrillic, Greek and typographic characters, each above the ASCII character that it looks like.
_ASCII_TWINS = str.maketrans(
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0405\u0406\u0408"
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u04cf"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf"
    "\u2018\u2019\u2032\u201c\u201d\u2033\u2010\u2011\u2012\u2013\u2014\u2212",
    "ABEKMHOPCTYXSIJ"
    "aeopcyxsijl"
    "ABEZHIKMNOPTYXo"
    "'''\"\"\"------",
)  # fmt: skip


def skeleton(label: str) -> Hashable:
    """
    Return what labels that look alike have in common.

    Left aside are letter case, how accents are encoded, full and half width, invisible characters, Cyrillic and Greek
    letters that look like Latin ones, and typographic quotes and dashes. Numbers count by value: 1, 01 and 1.0.

    Example:
        >>> skeleton("Caf\u00e9") == skeleton("cafe\u0301\u200b")
        True
    """
    if not (label.isascii() and label.isprintable()):
        label = unicodedata.normalize("NFKC", label)
        label = "".join(each for each in label if not _is_invisible(each)).translate(_ASCII_TWINS)
        label = " ".join(label.split())
    folded = label.casefold()
    return Decimal(folded) if NUMBER.fullmatch(folded) else folded


def warn_of_look_alikes(counts: Mapping[str, int], where: str) -> None:
    """
    Warn, once, of labels that look alike.

    Args:
        counts: rows with each label.
        where: names the files.
    """
    groups = look_alikes(counts)
    if groups:
        more = f"; and {len(groups) - SHOWN_GROUPS} more such groups" if len(groups) > SHOWN_GROUPS else ""
        described = "; ".join(_described(group, counts) for group in groups[:SHOWN_GROUPS])
        logger.warning(
            "%s: labels look alike and are told apart: %s%s. If they mean the same, write them the same in all rows",
            where, described, more,
        )  # fmt: skip


def look_alikes(labels: Iterable[str]) -> list[list[str]]:
    """Return the groups of labels that look alike, sorted."""
    groups: dict[Hashable, list[str]] = defaultdict(list)
    for label in labels:
        groups[skeleton(label)].append(label)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)


def difference(one: str, other: str) -> str:
    """
    Say in which characters two labels differ, by code point.

    Example:
        >>> difference("Good", "good")
        'U+0047 LATIN CAPITAL LETTER G against U+0067 LATIN SMALL LETTER G'
    """
    start = _num_shared(one, other)
    rest, other_rest = one[start:], other[start:]
    stop = _num_shared(rest[::-1], other_rest[::-1])
    return f"{_spelled(rest[: len(rest) - stop])} against {_spelled(other_rest[: len(other_rest) - stop])}"


def _num_shared(one: str, other: str) -> int:
    """Count the characters that two texts have in common at their beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _is_invisible(character: str) -> bool:
    if character in _INVISIBLE:
        return True
    return unicodedata.category(character) in {"Cc", "Cf"} and not character.isspace()


def _described(group: Sequence[str], counts: Mapping[str, int]) -> str:
    listed = " and ".join(f"{shorten(label)} ({counts[label]} rows)" for label in group[:SHOWN_GROUPS])
    more = f" and {len(group) - SHOWN_GROUPS} more" if len(group) > SHOWN_GROUPS else ""
    return f"{listed}{more}, which differ in {difference(*group[:2])}"


def _spelled(characters: str) -> str:
    """Write characters as code points with their names."""
    if not characters:
        return "nothing"
    names = (f"U+{ord(each):04X} {unicodedata.name(each, '')}".rstrip() for each in characters[:SHOWN_CHARACTERS])
    return ", ".join(names) + (", ..." if len(characters) > SHOWN_CHARACTERS else "")
