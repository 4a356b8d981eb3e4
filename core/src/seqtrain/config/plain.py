"""A configuration as plain maps, lists, texts and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

from seqtrain.config.annotations import enum_text
from seqtrain.config.option import Selection, field_values, option_of
from seqtrain.config.schema import MAP_SECTIONS, RunConfig


def to_tree(config: RunConfig) -> dict[str, Any]:
    """
    Turn a run's configuration into maps, lists, str, int, float, bool and None.

    Returns:
        One map by section: of a component {name, fields...}, of `callbacks` and `trackers` {name: {fields...}}.
    """
    tree, values = to_plain(config), field_values(config)
    for section in MAP_SECTIONS:
        tree[section] = {each.name: to_plain(each.config) for each in values[section]}
    assert isinstance(tree, dict)
    return tree


def to_plain(value: Any) -> Any:
    """Turn one value of a configuration, however deep, into plain ones."""
    if isinstance(value, Selection):
        return {"name": value.name, **to_plain(value.config)}
    if is_dataclass(value) and not isinstance(value, type):
        values = field_values(value)
        return {each.name: to_plain(values[each.name]) for each in fields(value) if each.init}
    if isinstance(value, Mapping):
        return {str(key): to_plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(each) for each in value]
    if isinstance(value, Enum):
        return enum_text(value)
    return str(value) if isinstance(value, PurePath) else value


_FREE_SECTIONS = ("logging", "trackers")  # they watch the run, and cannot change it


@dataclass(frozen=True, kw_only=True)
class Difference:
    """
    One value that differs.

    Args:
        key: its dotted key; where a callback or tracker is on one side only, that of the whole.
        old, new: plain values; None where a side has none.
        may_change: a resumed run may take the new value.
    """

    key: str
    old: Any
    new: Any
    may_change: bool

    def __str__(self) -> str:
        return f"{self.key}: {self.old!r} -> {self.new!r}"


def differences(old: RunConfig, new: RunConfig) -> list[Difference]:
    """List what differs, in the order of the sections; of a component that is another one, only the name."""
    found: list[Difference] = []
    new_values = field_values(new)
    for name, before in field_values(old).items():
        after = new_values[name]
        if name in MAP_SECTIONS:
            before, after = ({each.name: each for each in side} for side in (before, after))  # noqa: PLW2901
        found += _between(name, before, after, may_change=name in _FREE_SECTIONS)
    return found


def _between(key: str, old: Any, new: Any, *, may_change: bool) -> Iterator[Difference]:
    if isinstance(old, Selection) and isinstance(new, Selection):
        if old.name == new.name:
            yield from _between(key, old.config, new.config, may_change=may_change)
        else:
            yield Difference(key=f"{key}.name", old=old.name, new=new.name, may_change=may_change)
    elif is_dataclass(old) and type(old) is type(new):
        new_values = field_values(new)
        for name, before in field_values(old).items():
            free = may_change or option_of(type(old), name).may_change
            yield from _between(f"{key}.{name}", before, new_values[name], may_change=free)
    elif isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            yield from _between(f"{key}.{name}", old.get(name), new.get(name), may_change=may_change)
    elif to_plain(old) != to_plain(new):
        yield Difference(key=key, old=to_plain(old), new=to_plain(new), may_change=may_change)
