"""Clock times in English and German words."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain_translation.builtin.numbers import english_number, german_number


@dataclass(frozen=True)
class Time:
    """
    A time of day as it is spoken, on the clock of twelve hours.

    Args:
        hour: in [0, 23].
        minute: in [0, 59].
        day_part: say the part of the day too, such as "in the evening".
    """

    hour: int
    minute: int
    day_part: bool = True

    def english(self) -> str:
        """Return such as "half past seven in the evening"."""
        return self._english_clock() + (f" {self._day_parts()[0]}" if self.day_part else "")

    def german(self) -> str:
        """Return such as "halb acht abends"."""
        return self._german_clock() + (f" {self._day_parts()[1]}" if self.day_part else "")

    def _english_clock(self) -> str:
        this, following = (english_number(hour) for hour in self._spoken_hours())
        if self.minute == 0:
            return f"{this} o'clock"
        if self.minute == 30:
            return f"half past {this}"
        if self.minute < 30:
            return f"{_english_minutes(self.minute)} past {this}"
        return f"{_english_minutes(60 - self.minute)} to {following}"

    def _german_clock(self) -> str:
        this, following = (german_number(hour) for hour in self._spoken_hours())
        if self.minute == 0:
            return "ein Uhr" if this == "eins" else f"{this} Uhr"
        if self.minute == 30:
            return f"halb {following}"
        if self.minute in (25, 35):  # counted from the half hour
            return f"fünf {'vor' if self.minute == 25 else 'nach'} halb {following}"
        if self.minute < 30:
            return f"{_german_minutes(self.minute)} nach {this}"
        return f"{_german_minutes(60 - self.minute)} vor {following}"

    def _spoken_hours(self) -> tuple[int, int]:
        """Return this hour and the next one, each in [1, 12]."""
        return (self.hour - 1) % 12 + 1, self.hour % 12 + 1

    def _day_parts(self) -> tuple[str, str]:
        """Return the part of the day in both languages; German divides the day more finely."""
        if self.hour < 4 or self.hour == 23:
            return "at night", "nachts"
        if self.hour < 12:
            return "in the morning", "morgens" if self.hour < 10 else "vormittags"
        if self.hour < 18:
            return "in the afternoon", "mittags" if self.hour == 12 else "nachmittags"
        return "in the evening", "abends"


def _english_minutes(minutes: int) -> str:
    if minutes == 15:
        return "a quarter"
    if minutes % 5 == 0:
        return english_number(minutes)
    return f"{english_number(minutes)} minute{'s' if minutes > 1 else ''}"


def _german_minutes(minutes: int) -> str:
    if minutes == 15:
        return "Viertel"
    if minutes % 5 == 0:
        return german_number(minutes)
    return f"{german_number(minutes)} Minuten" if minutes > 1 else "eine Minute"
