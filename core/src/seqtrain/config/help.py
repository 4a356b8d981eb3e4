"""The fields of a config dataclass as a table: key, type, default, range, meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any

from seqtrain.config.annotations import allows_list, config_type_in, field_types, range_text, type_name
from seqtrain.config.option import field_values, option_of
from seqtrain.config.plain import to_plain

REQUIRED = "required"


@dataclass(frozen=True, kw_only=True)
class Row:
    """
    One field.

    Args:
        key: its dotted key.
        type: what a value may be, such as "int" or "fp32 | bf16"; "fields:" where those follow in rows of their own.
        default: as it would be written; "required" where there is none.
        unit: what a number counts, or nothing.
        range: the bounds of a number, or nothing.
        help: what it means.
    """

    key: str
    type: str
    default: str
    unit: str
    range: str
    help: str


def describe(config_type: type, prefix: str = "", defaults: Any = None) -> list[Row]:
    """
    List the fields of a config dataclass, those of nested ones included.

    Args:
        config_type: the dataclass.
        prefix: the dotted key of the section it is for, such as "model".
        defaults: an instance whose values are the defaults, instead of the dataclass's own.
    """
    rows = []
    types = field_types(config_type)
    for each in fields(config_type):
        if each.name not in types:
            continue
        key = f"{prefix}.{each.name}" if prefix else each.name
        default = field_values(defaults)[each.name] if defaults is not None else _default(each)
        described = option_of(config_type, each.name)
        nested = config_type_in(types[each.name])
        if nested is not None and described.component is None:
            rows.append(Row(key=key, type="fields:", default="", unit="", range="", help=described.help))
            rows += describe(nested, key, default if is_dataclass(default) else None)
            continue
        rows.append(
            Row(
                key=f"{key}.name" if described.component and not allows_list(types[each.name]) else key,
                type=type_name(types[each.name], described),
                default=_written(default),
                unit=described.unit or "",
                range=range_text(described),
                help=described.help,
            )
        )
    return rows


def format_rows(rows: Sequence[Row]) -> str:
    """Write rows as a table with aligned columns, one line each."""
    cells = [(row.key, row.type, row.default, " ".join(filter(None, (row.range, row.unit))), row.help) for row in rows]
    cells.insert(0, ("KEY", "TYPE", "DEFAULT", "RANGE", "MEANING"))
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = (
        "  ".join([*(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=False)), line[-1]])
        for line in cells
    )
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _default(each: Field[Any]) -> Any:
    return each.default if each.default_factory is MISSING else each.default_factory()


def _written(default: Any) -> str:
    if default is MISSING:
        return REQUIRED
    plain = to_plain(default)
    if isinstance(plain, bool):
        return str(plain).lower()
    return "null" if plain is None else "''" if plain == "" else str(plain)
