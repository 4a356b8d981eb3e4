"""What a text means as a number, a boolean, or whatever it looks like. Nothing else in a configuration decides that."""

from __future__ import annotations

import math
import re
from contextlib import suppress

_INT = re.compile(r"[+-]?\d+(_\d+)*", re.ASCII)
_SHORT_INT = re.compile(r"[+-]?\d+(\.\d+)?[eE]\+?\d{1,2}", re.ASCII)  # 1e6, 2.5e3
_FLOAT = re.compile(r"[+-]?(\d+(_\d+)*\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INFINITY = re.compile(r"[+-]?(\.?inf|\.Inf)", re.ASCII)


def read_int(text: str) -> int:
    """
    Read a whole number: digits, perhaps with `_` between them, or a power form such as `1e6` that comes out whole.

    Raises:
        ValueError: it is none.
    """
    with suppress(ValueError):
        return _read_plain_int(text)
    if _SHORT_INT.fullmatch(text):  # computed on digits, as floats are not exact
        mantissa, _, exponent = text.lower().partition("e")
        whole, _, fraction = mantissa.partition(".")
        zeros = int(exponent) - len(fraction)
        if zeros >= 0:
            return int(whole + fraction + "0" * zeros)
    raise ValueError(text)


def read_float(text: str) -> float:
    """
    Read a number, `inf` and `.inf` included; there is no NaN, which does not equal itself.

    Raises:
        ValueError: it is none, or too large for a float.
    """
    if _INFINITY.fullmatch(text):
        return float(text.replace(".", ""))
    if not _FLOAT.fullmatch(text) or math.isinf(float(text)):
        raise ValueError(text)
    return float(text)


def read_bool(text: str) -> bool:
    """
    Read `true` or `false`; `yes`, `on` and `1` are left to mean what they say.

    Raises:
        ValueError: it is neither.
    """
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def read_any(text: str) -> int | float | bool | str:
    """Read a text where no type is known: a number or boolean if it looks like one, else itself."""
    for read in (_read_plain_int, read_float, read_bool):  # 1e6 is a float here
        with suppress(ValueError):
            return read(text)
    return text


def _read_plain_int(text: str) -> int:
    if not _INT.fullmatch(text):
        raise ValueError(text)
    return int(text)
