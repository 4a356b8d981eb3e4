"""What a text means is decided by the type of its field, and by nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtrain.config.convert import read_any, read_bool, read_float, read_int
from seqtrain.config.resolve import Resolved
from seqtrain.training.cadence import Every

Resolve = Callable[..., Resolved]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("+5", 5),
        ("007", 7),
        ("1_000", 1000),
        ("1e3", 1000),
        ("2.5e3", 2500),
        ("1E+2", 100),
        ("0e0", 0),
    ],
)
def test_whole_numbers(text: str, value: int) -> None:
    """Decimal digits, `_` between them, and powers of ten that come out whole."""
    assert read_int(text) == value
    assert isinstance(read_int(text), int)


def test_power_forms_are_exact() -> None:
    """Beyond what a float can hold."""
    assert read_int("9007199254740993e0") == 9007199254740993
    assert read_int("-1.25e20") == -125 * 10**18


@pytest.mark.parametrize(
    "text", ["", " 5", "1.0", "1.5e0", "1e-3", "1e999999", "0x1F", "_1", "1__0", "true", "٣", "5\n", "12:30"]
)
def test_what_is_no_whole_number(text: str) -> None:
    """No hexadecimal, no times of day, no other scripts' digits; and nothing that takes forever."""
    with pytest.raises(ValueError):
        read_int(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1", 1.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1.5E+2", -150.0),
        ("inf", math.inf),
        ("-.inf", -math.inf),
        ("1_0.5", 10.5),
    ],
)
def test_numbers(text: str, value: float) -> None:
    """Every usual form, 1e-3 and infinity included."""
    assert read_float(text) == value
    assert isinstance(read_float(text), float)


@pytest.mark.parametrize("text", ["", "nan", ".nan", "1e400", "1,5", "infinity", "e5", ".", "1 ", "0x1p3", "true"])
def test_what_is_no_number(text: str) -> None:
    """NaN, overflow and other notations."""
    with pytest.raises(ValueError):
        read_float(text)


def test_booleans_are_true_and_false_alone() -> None:
    """no, off and 0 are texts or numbers."""
    assert read_bool("true") is True
    assert read_bool("false") is False
    for text in ("True", "FALSE", "yes", "no", "on", "off", "y", "1", ""):
        with pytest.raises(ValueError):
            read_bool(text)


@pytest.mark.parametrize("text", ["no", "007a", "2024-01-01", "1:30", "0x1F", "~x", "True", "nan"])
def test_what_looks_like_nothing_else_is_a_text(text: str) -> None:
    """Where a field takes anything."""
    assert read_any(text) == text


@given(st.integers())
def test_integers_survive(number: int) -> None:
    """As Python writes them."""
    assert read_int(str(number)) == number


@given(st.floats(allow_nan=False))
def test_floats_survive(number: float) -> None:
    """To the bit, as Python writes them."""
    assert read_float(repr(number)) == number


def everything(resolved: Resolve, field: str, text: str) -> Any:
    return getattr(
        resolved("model.name=everything", f"model.{field}={text}").config.model.config, field.partition(".")[0]
    )


@pytest.mark.parametrize(
    "text", ["no", "007", "1.10", "1e-3", "true", "12:30:45", "@@ ", "a=b", "  x", "a: b", "a # b", "*", "'", "%", "é"]
)
def test_a_text_field_takes_the_text_as_it_is(resolved: Resolve, text: str) -> None:
    """Spaces, further equals signs and all."""
    assert everything(resolved, "word", text) == text
    assert everything(resolved, "maybe_word", text) == text


def test_texts_of_a_file_are_taken_as_they_are(resolved: Resolve) -> None:
    """YAML 1.1 would read each of these as something else."""
    names = ["no", "on", "y", "007", "1.10", "0x1F", "1_000", "12:30:45", "2024-01-01", "=", "1e3"]
    text = f"model: {{name: everything, names: [{', '.join(names)}]}}"

    assert resolved(yaml=text).config.model.config.names == names


def test_null_needs_an_optional_field_and_no_quotes(resolved: Resolve) -> None:
    """`""` and `"null"` are texts; an empty argument is the empty text."""
    assert everything(resolved, "maybe_word", "null") is None
    assert everything(resolved, "maybe_word", '"null"') == "null"
    assert everything(resolved, "maybe_word", "") == ""
    assert everything(resolved, "word", "'[a]'") == "[a]"
    assert (
        resolved(yaml="model: {name: everything, maybe_word: 'null', word: ''}").config.model.config.maybe_word
        == "null"
    )
    assert resolved(yaml="model: {name: everything, maybe_word: }").config.model.config.maybe_word is None


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("folder", "x/../y", Path("x/../y")),
        ("maybe_folder", "x", Path("x")),
        ("mode", "slow", "slow"),
        ("mode", "3", 3),
        ("names", "[]", []),
        ("names", "[null, ~x]", None),
        ("numbers", "[3, 1e2]", (3, 100)),
        ("betas", "[0, 1]", (0.0, 1.0)),
        ("weights", "{a: 1, no: .5}", {"a": 1.0, "no": 0.5}),
        ("weights.a", "2", {"a": 2.0}),
        ("every", "{epochs: 2}", Every(epochs=2)),
        ("number_or_word", "5", 5),
        ("number_or_word", "'5'", "5"),
        ("number_or_word", "5x", "5x"),
        ("anything", "5", 5),
        ("anything", "'5'", "5"),
        ("anything", "no", "no"),
        ("anything", "null", None),
        ("anything", "[1, 1e-3, true, {a: no}]", [1, 0.001, True, {"a": "no"}]),
    ],
)
def test_every_type_reads_its_own_form(resolved: Resolve, field: str, text: str, value: object) -> None:
    """Lists and maps in flow style, paths as typed, enums by value."""
    if value is None and field == "names":
        with pytest.raises(ValueError, match=r"model.names\[0\]: expected str, got null"):
            everything(resolved, field, text)
    else:
        found = everything(resolved, field, text)
        assert (found, type(found)) == (value, type(value))


def test_an_optional_config_is_made_when_something_is_set(resolved: Resolve) -> None:
    """And is None again after null."""
    assert everything(resolved, "generation", "null") is None
    assert everything(resolved, "generation.lenpen", "2").beam == 5
    again = resolved(
        "model.name=everything", "model.generation.beam=3", "model.generation=null", "model.generation.lenpen=2"
    )
    assert again.config.model.config.generation.beam == 5
