"""
Sentence pairs about numbers, dates and clock times, and the files they are written to.

Held out are values, not only sentences: a number, day of the year or position of the hands of the clock belongs to
one split for good, by its hash. So a test sentence always asks for a value that training has never shown.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

from seqtrain_text.corpus import write_corpus
from seqtrain_translation.builtin.dates import DAYS_IN_MONTH, Date
from seqtrain_translation.builtin.numbers import english_number, german_number
from seqtrain_translation.builtin.times import Time

SIZES = {"train": 20_000, "valid": 500, "test": 1_000}
"""Sentence pairs of each split."""

_Pair = tuple[str, str]  # English, German

_COUNTING = (
    ("I see {n} {things}.", "Ich sehe {n} {things}."),
    ("We need {n} {things}.", "Wir brauchen {n} {things}."),
    ("She sells {n} {things}.", "Sie verkauft {n} {things}."),
    ("They have {n} {things}.", "Sie haben {n} {things}."),
    ("There are {n} {things}.", "Es gibt {n} {things}."),
    ("He counted {n} {things}.", "Er zählte {n} {things}."),
)
_THINGS = (
    ("books", "Bücher"),
    ("houses", "Häuser"),
    ("apples", "Äpfel"),
    ("horses", "Pferde"),
    ("trees", "Bäume"),
    ("chairs", "Stühle"),
    ("letters", "Briefe"),
    ("children", "Kinder"),
    ("ships", "Schiffe"),
    ("stones", "Steine"),
)
_NAMING = (("The answer is {}.", "Die Antwort ist {}."), ("My number is {}.", "Meine Nummer ist {}."))
_ON_A_DAY = (
    ("She was born on {}.", "Sie wurde am {} geboren."),
    ("The school closes on {}.", "Die Schule schließt am {}."),
    ("The letter dates from {}.", "Der Brief stammt vom {}."),
    ("We have been waiting since {}.", "Wir warten seit dem {}."),
)
_AT_A_TIME = (
    ("The train leaves at {}.", "Der Zug fährt um {} ab."),
    ("The shop opens at {}.", "Das Geschäft öffnet um {}."),
    ("The plane lands at {}.", "Das Flugzeug landet um {}."),
    ("It is {}.", "Es ist {}."),
)


def sentence_pairs(split: str, count: int, *, seed: int = 1) -> list[_Pair]:
    """
    Make pairs of an English sentence and its German translation.

    Args:
        split: "train", "valid" or "test"; no value of one is used in another.
        count: how many; no two have the same English side.
        seed: another seed makes another selection of the same kind.
    """
    draw = _Draw(Random(f"{seed}/{split}"), split)  # noqa: S311 - not a secret
    pairs: dict[str, str] = {}
    while len(pairs) < count:
        english, german = draw.pair()
        pairs.setdefault(english, german)
    return list(pairs.items())


def write_builtin_corpus(folder: Path) -> dict[str, str]:
    """
    Write the corpus below `folder`, unless it is there already.

    Returns:
        The prefix of each split's two files, `PREFIX.en` and `PREFIX.de`.
    """
    texts = {split: sentence_pairs(split, count) for split, count in SIZES.items()}
    corpus = folder / f"builtin-en-de-{hashlib.sha256(repr(texts).encode()).hexdigest()[:12]}"
    sides = {
        f"{split}.{language}": "".join(f"{pair[side]}\n" for pair in pairs)
        for split, pairs in texts.items()
        for side, language in enumerate(("en", "de"))
    }
    write_corpus(sides, corpus)
    return {split: str(corpus / split) for split in texts}


class _Draw:
    """Draws sentence pairs whose values all belong to one split."""

    def __init__(self, rng: Random, split: str) -> None:
        self._rng = rng
        self._split = split

    def pair(self) -> _Pair:
        """Draw a sentence pair, or a bare number, date or time."""
        kinds: tuple[Callable[[], _Pair], ...] = (
            self._bare_number, self._counting, self._naming, self._bare_date, self._on_a_day, self._period,
            self._bare_time, self._at_a_time, self._working_hours, self._meeting,
        )  # fmt: skip
        return self._rng.choices(kinds, weights=(5, 5, 2, 3, 3, 2, 2, 3, 3, 2))[0]()

    def _bare_number(self) -> _Pair:
        number = self._number()
        return english_number(number), german_number(number)

    def _counting(self) -> _Pair:
        number = self._number()
        while number % 100 in (0, 1):  # "one books" is no English, and "hunderteins Bücher" hardly German
            number = self._number()
        english, german = self._rng.choice(_COUNTING)
        thing, ding = self._rng.choice(_THINGS)
        return (
            english.format(n=english_number(number), things=thing),
            german.format(n=german_number(number), things=ding),
        )

    def _naming(self) -> _Pair:
        number = self._number()
        english, german = self._rng.choice(_NAMING)
        return english.format(english_number(number)), german.format(german_number(number))

    def _bare_date(self) -> _Pair:
        date = self._date(with_year=self._rng.random() < 0.7)
        return date.english(), date.german()

    def _on_a_day(self) -> _Pair:
        date = self._date(with_year=self._rng.random() < 0.7)
        english, german = self._rng.choice(_ON_A_DAY)
        return english.format(date.english()), german.format(date.german_dative())

    def _period(self) -> _Pair:
        first, last = self._date(with_year=False), self._date(with_year=False)
        return (
            f"The festival lasts from {first.english()} to {last.english()}.",
            f"Das Fest dauert vom {first.german_dative()} bis zum {last.german_dative()}.",
        )

    def _bare_time(self) -> _Pair:
        time = self._time()
        return time.english(), time.german()

    def _at_a_time(self) -> _Pair:
        time = self._time()
        english, german = self._rng.choice(_AT_A_TIME)
        return english.format(time.english()), german.format(time.german())

    def _working_hours(self) -> _Pair:
        start, end = self._time(), self._time()
        return (
            f"He works from {start.english()} to {end.english()}.",
            f"Er arbeitet von {start.german()} bis {end.german()}.",
        )

    def _meeting(self) -> _Pair:
        time, date = self._time(), self._date(with_year=False)
        return (
            f"We meet at {time.english()} on {date.english()}.",
            f"Wir treffen uns am {date.german_dative()} um {time.german()}.",
        )

    def _number(self) -> int:
        """Draw a number above 0, long ones not much oftener than short ones; "zero" is in no other to learn it from."""
        while True:
            number = self._rng.randrange(1, 10 ** self._rng.choice((2, 3, 3, 4, 5, 6)))
            if self._is_ours("number", number):
                return number

    def _date(self, *, with_year: bool) -> Date:
        while True:
            month = self._rng.randint(1, 12)
            day = self._rng.randint(1, DAYS_IN_MONTH[month - 1])
            if self._is_ours("date", day, month):
                return Date(day, month, self._rng.randint(1800, 2049) if with_year else None)

    def _time(self) -> Time:
        while True:
            hour, minute = self._rng.randrange(24), self._rng.randrange(60)
            if self._rng.random() < 0.5:
                minute -= minute % 5  # as people do
            if self._is_ours("time", hour % 12, minute):
                return Time(hour, minute, day_part=self._rng.random() < 0.7)

    def _is_ours(self, *value: object) -> bool:
        """Say whether a value belongs to this split: a tenth of all to valid, a tenth to test."""
        tenth = zlib.crc32(repr(value).encode()) % 10
        return self._split == {0: "valid", 1: "test"}.get(tenth, "train")
