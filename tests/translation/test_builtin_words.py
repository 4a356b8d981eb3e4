"""Numbers, dates and times of the built-in corpus, checked by hand in both languages."""

from __future__ import annotations

import pytest

from seqtrain_translation.builtin.dates import Date
from seqtrain_translation.builtin.numbers import (
    english_number,
    english_ordinal,
    english_year,
    german_number,
    german_ordinal,
    german_year,
)
from seqtrain_translation.builtin.times import Time


@pytest.mark.parametrize(
    ("number", "english", "german"),
    [
        (0, "zero", "null"),
        (1, "one", "eins"),
        (2, "two", "zwei"),
        (7, "seven", "sieben"),
        (11, "eleven", "elf"),
        (12, "twelve", "zwölf"),
        (16, "sixteen", "sechzehn"),
        (17, "seventeen", "siebzehn"),
        (20, "twenty", "zwanzig"),
        (21, "twenty-one", "einundzwanzig"),
        (30, "thirty", "dreißig"),
        (66, "sixty-six", "sechsundsechzig"),
        (77, "seventy-seven", "siebenundsiebzig"),
        (100, "one hundred", "einhundert"),
        (101, "one hundred and one", "einhunderteins"),
        (111, "one hundred and eleven", "einhundertelf"),
        (121, "one hundred and twenty-one", "einhunderteinundzwanzig"),
        (345, "three hundred and forty-five", "dreihundertfünfundvierzig"),
        (1_000, "one thousand", "eintausend"),
        (1_001, "one thousand and one", "eintausendeins"),
        (1_021, "one thousand and twenty-one", "eintausendeinundzwanzig"),
        (1_200, "one thousand two hundred", "eintausendzweihundert"),
        (21_000, "twenty-one thousand", "einundzwanzigtausend"),
        (101_000, "one hundred and one thousand", "einhunderteintausend"),
        (
            345_678,
            "three hundred and forty-five thousand six hundred and seventy-eight",
            "dreihundertfünfundvierzigtausendsechshundertachtundsiebzig",
        ),
        (
            999_999,
            "nine hundred and ninety-nine thousand nine hundred and ninety-nine",
            "neunhundertneunundneunzigtausendneunhundertneunundneunzig",
        ),
    ],
)
def test_numbers_are_spelled_as_people_write_them(number: int, english: str, german: str) -> None:
    """A number has its British English and its German spelling."""
    assert english == english_number(number)
    assert german == german_number(number)


@pytest.mark.parametrize(
    ("number", "english", "german"),
    [
        (1, "first", "erste"),
        (2, "second", "zweite"),
        (3, "third", "dritte"),
        (4, "fourth", "vierte"),
        (5, "fifth", "fünfte"),
        (6, "sixth", "sechste"),
        (7, "seventh", "siebte"),
        (8, "eighth", "achte"),
        (9, "ninth", "neunte"),
        (10, "tenth", "zehnte"),
        (11, "eleventh", "elfte"),
        (12, "twelfth", "zwölfte"),
        (16, "sixteenth", "sechzehnte"),
        (17, "seventeenth", "siebzehnte"),
        (19, "nineteenth", "neunzehnte"),
        (20, "twentieth", "zwanzigste"),
        (21, "twenty-first", "einundzwanzigste"),
        (22, "twenty-second", "zweiundzwanzigste"),
        (23, "twenty-third", "dreiundzwanzigste"),
        (27, "twenty-seventh", "siebenundzwanzigste"),
        (28, "twenty-eighth", "achtundzwanzigste"),
        (29, "twenty-ninth", "neunundzwanzigste"),
        (30, "thirtieth", "dreißigste"),
        (31, "thirty-first", "einunddreißigste"),
    ],
)
def test_ordinals_are_spelled_as_people_write_them(number: int, english: str, german: str) -> None:
    """An ordinal has its irregular forms in both languages."""
    assert english == english_ordinal(number)
    assert german == german_ordinal(number)


@pytest.mark.parametrize(
    ("year", "english", "german"),
    [
        (1100, "eleven hundred", "elfhundert"),
        (1648, "sixteen forty-eight", "sechzehnhundertachtundvierzig"),
        (1789, "seventeen eighty-nine", "siebzehnhundertneunundachtzig"),
        (1800, "eighteen hundred", "achtzehnhundert"),
        (1901, "nineteen oh one", "neunzehnhunderteins"),
        (1905, "nineteen oh five", "neunzehnhundertfünf"),
        (1912, "nineteen twelve", "neunzehnhundertzwölf"),
        (1984, "nineteen eighty-four", "neunzehnhundertvierundachtzig"),
        (2000, "two thousand", "zweitausend"),
        (2001, "two thousand and one", "zweitausendeins"),
        (2010, "twenty ten", "zweitausendzehn"),
        (2024, "twenty twenty-four", "zweitausendvierundzwanzig"),
    ],
)
def test_years_are_read_in_hundreds_before_two_thousand(year: int, english: str, german: str) -> None:
    """A year is spelled as it is read aloud."""
    assert english == english_year(year)
    assert german == german_year(year)


@pytest.mark.parametrize(
    ("date", "english", "nominative", "dative"),
    [
        (
            Date(3, 5, 1984),
            "the third of May nineteen eighty-four",
            "der dritte Mai neunzehnhundertvierundachtzig",
            "dritten Mai neunzehnhundertvierundachtzig",
        ),
        (Date(1, 3), "the first of March", "der erste März", "ersten März"),
        (Date(31, 12), "the thirty-first of December", "der einunddreißigste Dezember", "einunddreißigsten Dezember"),
    ],
)
def test_dates_take_the_case_that_their_place_asks_for(date: Date, english: str, nominative: str, dative: str) -> None:
    """A German date ends in -e by itself and in -en after "am", "vom" and "zum"."""
    assert english == date.english()
    assert nominative == date.german()
    assert dative == date.german_dative()


@pytest.mark.parametrize(
    ("time", "english", "german"),
    [
        (Time(19, 30), "half past seven in the evening", "halb acht abends"),
        (Time(7, 0), "seven o'clock in the morning", "sieben Uhr morgens"),
        (Time(13, 0), "one o'clock in the afternoon", "ein Uhr nachmittags"),
        (Time(13, 5), "five past one in the afternoon", "fünf nach eins nachmittags"),
        (Time(12, 30), "half past twelve in the afternoon", "halb eins mittags"),
        (Time(12, 45), "a quarter to one in the afternoon", "Viertel vor eins mittags"),
        (Time(0, 0), "twelve o'clock at night", "zwölf Uhr nachts"),
        (Time(23, 59), "one minute to twelve at night", "eine Minute vor zwölf nachts"),
        (Time(2, 10), "ten past two at night", "zehn nach zwei nachts"),
        (Time(11, 40), "twenty to twelve in the morning", "zwanzig vor zwölf vormittags"),
        (Time(9, 15, day_part=False), "a quarter past nine", "Viertel nach neun"),
        (Time(9, 17, day_part=False), "seventeen minutes past nine", "siebzehn Minuten nach neun"),
        (Time(21, 20, day_part=False), "twenty past nine", "zwanzig nach neun"),
        (Time(9, 25, day_part=False), "twenty-five past nine", "fünf vor halb zehn"),
        (Time(9, 35, day_part=False), "twenty-five to ten", "fünf nach halb zehn"),
        (Time(12, 30, day_part=False), "half past twelve", "halb eins"),
        (Time(9, 47, day_part=False), "thirteen minutes to ten", "dreizehn Minuten vor zehn"),
        (Time(9, 55, day_part=False), "five to ten", "fünf vor zehn"),
    ],
)
def test_times_are_told_as_people_tell_them(time: Time, english: str, german: str) -> None:
    """The half hour belongs to the coming hour in German, and so do the five minutes around it."""
    assert english == time.english()
    assert german == time.german()


def test_the_two_languages_tell_the_same_numbers_apart() -> None:
    """No two numbers share a spelling in either language."""
    sample = [*range(2_000), *range(2_000, 1_000_000, 997)]

    assert len(sample) == len({english_number(number) for number in sample})
    assert len(sample) == len({german_number(number) for number in sample})


def test_english_times_determine_the_german_ones() -> None:
    """Whatever the hour, one English time has one German translation."""
    times = [Time(hour, minute, part) for hour in range(24) for minute in range(60) for part in (True, False)]

    assert len({time.english() for time in times}) == len({(time.english(), time.german()) for time in times})
