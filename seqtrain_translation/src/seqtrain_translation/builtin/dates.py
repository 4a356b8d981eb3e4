"""Days of the year in English and German words."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain_translation.builtin.numbers import english_ordinal, english_year, german_ordinal, german_year

_ENGLISH_MONTHS = "January February March April May June July August September October November December".split()
_GERMAN_MONTHS = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()
DAYS_IN_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True)
class Date:
    """
    A day of the year, with or without the year.

    Args:
        day: in [1, 31].
        month: in [1, 12].
        year: in [1100, 2100), or None.
    """

    day: int
    month: int
    year: int | None = None

    def english(self) -> str:
        """Return such as "the third of May nineteen eighty-four"."""
        year = f" {english_year(self.year)}" if self.year else ""
        return f"the {english_ordinal(self.day)} of {_ENGLISH_MONTHS[self.month - 1]}{year}"

    def german(self) -> str:
        """Return the nominative, such as "der dritte Mai neunzehnhundertvierundachtzig"."""
        return f"der {german_ordinal(self.day)} {self._german_month_and_year()}"

    def german_dative(self) -> str:
        """Return what follows "am", "vom" and "zum", such as "dritten Mai neunzehnhundertvierundachtzig"."""
        return f"{german_ordinal(self.day)}n {self._german_month_and_year()}"

    def _german_month_and_year(self) -> str:
        return _GERMAN_MONTHS[self.month - 1] + (f" {german_year(self.year)}" if self.year else "")
