"""A configuration as plain maps, lists, texts and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

from seqtrain.config.annotations import enum_text
from seqtrain.config.option import Selection
from seqtrain.config.schema import MAP_SECTIONS, RunConfig


def to_tree(config: RunConfig) -> dict[str, Any]:
    """
    Turn a run's configuration into maps, lists, str, int, float, bool and None.

    Returns:
        One map by section: of a component {name, fields...}, of `callbacks` and `trackers` {name: {fields...}}.
    """
    tree = to_plain(config)
    for section in MAP_SECTIONS:
        tree[section] = {each.name: to_plain(each.config) for each in getattr(config, section)}
    assert isinstance(tree, dict)
    return tree


def to_plain(value: Any) -> Any:
    """Turn one value of a configuration, however deep, into plain ones."""
    if isinstance(value, Selection):
        return {"name": value.name, **to_plain(value.config)}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: to_plain(getattr(value, each.name)) for each in fields(value) if each.init}
    if isinstance(value, Mapping):
        return {str(key): to_plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(each) for each in value]
    if isinstance(value, Enum):
        return enum_text(value)
    return str(value) if isinstance(value, PurePath) else value
