"""What a cell of a table holds, as Python, numpy, JSON or Arrow give it."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

import numpy as np

from seqtrain_text.records import shorten

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""How a number is written; narrower than `float`, which reads `1_000`, `nan` and the digits of any script."""

LARGEST_EXACT = 2**53  # beyond it, floats skip whole numbers


def plain_value(cell: Any) -> Any:
    """Turn numpy's scalars and arrays, tuples and `Decimal` into Python's plain values; leave others alone."""
    if isinstance(cell, np.generic | np.ndarray):
        cell = cell.tolist()
    if isinstance(cell, Decimal):
        return int(cell) if cell.is_finite() and cell == cell.to_integral_value() else float(cell)
    return list(cell) if isinstance(cell, tuple) else cell


def is_missing(value: Any) -> bool:
    """Say whether a plain value stands for nothing: null, NaN, an infinity (as 1e999 becomes), or blanks alone."""
    if isinstance(value, float):
        return not math.isfinite(value)
    return value is None or (isinstance(value, str) and not value.strip())


def read_label(cell: Any) -> str:
    """
    Return the label that a cell holds.

    Of a text, runs of blanks become one, and those around it are left out: `predict` writes labels in one line, between
    tabs. JSON's numbers are labels by their value, so that 1 and 1.0 are both `1`; true and false are `true` and
    `false`.

    Raises:
        ValueError: it holds none; the message says what, but not where.
    """
    value = plain_value(cell)
    if is_missing(value):
        found = f": it is {value}, which stands for a missing one" if isinstance(value, float) else ""
        raise ValueError(f"the label is empty{found}. Fill it in or remove the row.")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _label_of_float(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        raise ValueError(f"the label is a list, {shorten(value)}. Set task.kind=multi if rows may have several labels.")  # noqa: TRY004 - the caller adds the place
    if not isinstance(value, str):
        raise ValueError(f"the label is {shorten(value)}, where a text is expected. Check task.label_column.")  # noqa: TRY004 - likewise
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:  # half of a pair, as "\ud83d" in JSON can be
            raise ValueError(f"the label has {value[error.start]!a}, half of a character. Mend it.") from error
    return " ".join(value.split())


def _label_of_float(value: float) -> str:
    if not value.is_integer():
        return repr(value)
    if abs(value) > LARGEST_EXACT:
        raise ValueError(
            f"the label is the number {value!r}, which may stand for several whole numbers, as floats beyond 2^53 do. "
            "Write labels as whole numbers without point and exponent, or as texts."
        )
    return str(int(value))
