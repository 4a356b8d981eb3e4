"""Whole numbers, ordinals and years in English and German words."""

from __future__ import annotations

_ENGLISH_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_ENGLISH_TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()
_ENGLISH_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
    "twenty": "twentieth",
    "thirty": "thirtieth",
}

_GERMAN_SMALL = (
    "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn"
).split()
_GERMAN_TENS = "- - zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
_GERMAN_ORDINALS = {1: "erste", 3: "dritte", 7: "siebte", 8: "achte"}


def english_number(number: int) -> str:
    """Spell a number in [0, 1_000_000) in British English, such as "three hundred and forty-five"."""
    if number < 20:
        return _ENGLISH_SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _ENGLISH_TENS[tens] + (f"-{_ENGLISH_SMALL[ones]}" if ones else "")
    unit, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    count, rest = divmod(number, unit)
    words = f"{english_number(count)} {name}"
    if rest == 0:
        return words
    return f"{words} and {english_number(rest)}" if rest < 100 else f"{words} {english_number(rest)}"


def german_number(number: int) -> str:
    """Spell a number in [0, 1_000_000) in German, such as "dreihundertfünfundvierzig"."""
    return _ended(_german_stem(number))


def english_ordinal(number: int) -> str:
    """Spell an ordinal in [1, 31], such as "twenty-first"."""
    head, hyphen, last = english_number(number).rpartition("-")
    return head + hyphen + _ENGLISH_ORDINALS.get(last, f"{last}th")


def german_ordinal(number: int) -> str:
    """Spell an ordinal in [1, 31] as it follows "der", such as "einundzwanzigste"; after "dem" it takes an -n."""
    if number in _GERMAN_ORDINALS:
        return _GERMAN_ORDINALS[number]
    return german_number(number) + ("te" if number < 20 else "ste")


def english_year(year: int) -> str:
    """Spell a year in [1100, 2100) as it is read aloud, such as "nineteen eighty-four"."""
    century, rest = divmod(year, 100)
    if 2000 <= year < 2010:
        return english_number(year)
    if rest == 0:
        return f"{english_number(century)} hundred"
    if rest < 10:
        return f"{english_number(century)} oh {english_number(rest)}"
    return f"{english_number(century)} {english_number(rest)}"


def german_year(year: int) -> str:
    """Spell a year in [1100, 2100) as it is read aloud: in hundreds up to 1999, as a plain number after that."""
    if year >= 2000:
        return german_number(year)
    century, rest = divmod(year, 100)
    return _ended(f"{_german_stem(century)}hundert{_german_stem(rest) if rest else ''}")


def _german_stem(number: int) -> str:
    """Spell a number as it stands inside a longer one: "ein", not "eins"."""
    if number < 20:
        return _GERMAN_SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return (f"{_GERMAN_SMALL[ones]}und" if ones else "") + _GERMAN_TENS[tens]
    unit, name = (1000, "tausend") if number >= 1000 else (100, "hundert")
    count, rest = divmod(number, unit)
    return f"{_german_stem(count)}{name}{_german_stem(rest) if rest else ''}"


def _ended(stem: str) -> str:
    """Close a number: a final "ein" becomes "eins"."""
    return f"{stem}s" if stem.endswith("ein") else stem
