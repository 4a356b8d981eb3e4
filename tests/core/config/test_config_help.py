"""Tables of fields."""

from __future__ import annotations

import importlib

from seqtrain.config.help import Row, describe, format_rows
from seqtrain.config.schema import CORE_SECTIONS, TrainerConfig
from seqtrain.registry.registry import Registry


def row(rows: list[Row], key: str) -> Row:
    return next(each for each in rows if each.key == key)


def test_a_field_is_described_in_full() -> None:
    """Type, default, unit, range, meaning."""
    assert row(describe(TrainerConfig, "trainer"), "trainer.max_steps") == Row(
        key="trainer.max_steps",
        type="int or null",
        default="null",
        unit="steps",
        range=">= 1",
        help="stop after this many updates",
    )


def test_nested_fields_are_listed_with_the_defaults_of_their_location() -> None:
    """trainer.validate is every epoch by default, though a cadence of its own is never."""
    rows = describe(TrainerConfig)

    assert (row(rows, "validate.epochs").default, row(rows, "validate.steps").default) == ("1", "null")


def test_every_kind_of_type_has_a_name(registry: Registry) -> None:
    """In words that also say what to write."""
    rows = describe(importlib.import_module("acme_parts.config").EverythingConfig)

    assert {each.key: (each.type, each.default) for each in rows} == {
        "count": ("int", "3"),
        "ratio": ("float", "0.5"),
        "word": ("str", "x"),
        "maybe_word": ("str or null", "null"),
        "flag": ("bool", "true"),
        "folder": ("path", "a/b"),
        "maybe_folder": ("path or null", "null"),
        "mode": ("fast | slow | 3", "fast"),
        "level": ("low | high", "low"),
        "norm": ("pre | post", "pre"),
        "names": ("list of str", "[]"),
        "numbers": ("list of int", "[1, 2]"),
        "betas": ("[float, float]", "[0.9, 0.98]"),
        "weights": ("map of float", "{}"),
        "every": ("fields:", ""),
        "every.steps": ("int or null", "10"),
        "every.epochs": ("int or null", "null"),
        "generation": ("fields:", ""),
        "generation.beam": ("int", "5"),
        "generation.lenpen": ("float", "1.0"),
        "number_or_word": ("int or str", "1"),
        "anything": ("any", "null"),
        "settings": ("map of any", "{'a': {'b': 1}}"),
        "limit": ("float", "1.0"),
        "horizon": ("float", "inf"),
        "corpus": ("any", "null"),
        "splits": ("map of map of fields (path, weight)", "{}"),
    }


def test_selections_and_required_fields(registry: Registry) -> None:
    """A selected component is named by its kind; a field without default is required."""
    module = importlib.import_module("acme_parts.config")

    assert row(describe(module.CopyConfig, "task"), "task.tokenizer.name").type == "tokenizer or null"
    assert row(describe(module.CopyConfig, "task"), "task.tokenizer.name").default == "bpe"
    assert row(describe(module.Split), "path").default == "required"


def test_ranges_are_written_as_intervals(registry: Registry) -> None:
    """Open and closed ends."""
    module = importlib.import_module("acme_parts.config")

    assert row(describe(module.TransformerConfig), "dropout").range == "in [0, 1)"
    assert row(describe(module.EMAConfig), "decay").range == "in (0, 1)"
    assert row(describe(module.AdamConfig), "lr").range == "> 0"
    assert row(describe(module.NeedyConfig), "upper").range == "<= 1"
    assert row(describe(module.NeedyConfig), "below").range == "< 1"


def test_every_field_of_core_has_a_help_text() -> None:
    """Nobody should have to read the source."""
    for section, config_type in CORE_SECTIONS.items():
        assert all(each.help for each in describe(config_type, section))


def test_a_table_is_aligned() -> None:
    """Each column starts below its heading."""
    lines = format_rows(describe(CORE_SECTIONS["data"], "data")).splitlines()
    column = lines[0].index("MEANING")

    assert len(lines) == 1 + len(describe(CORE_SECTIONS["data"]))
    assert all(line[column - 1] == " " and line[column] != " " for line in lines)
