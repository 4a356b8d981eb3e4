"""
What `task.train`, `task.valid` and `task.test` name: one file, several with weights, or several sets with names.

Light, because the configs of tasks import it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seqtrain.plugin import ConfigError


@dataclass(frozen=True)
class CorpusPart:
    """
    A file, or files that belong together.

    Args:
        path: where; a prefix, for a task that reads several files side by side.
        weight: how often an epoch sees it, > 0; 0.5 is half of it.
    """

    path: str
    weight: float = 1.0


def read_parts(value: object, key: str, *, weighted: bool, what: str = "file") -> tuple[CorpusPart, ...]:
    """
    Read one path or a list of them.

    Args:
        value: as the user gave it.
        key: the setting, for messages.
        weighted: the list may hold `{path: , weight: }`; weights mean something for training only.
        what: what a path is, for messages, such as "prefix of files".

    Raises:
        ConfigError: it is neither.
    """
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, Sequence) or not items:
        raise ConfigError(f"{key}={value!r} is no {what} and no list of them, such as data/train.")
    return tuple(_read_part(item, key, weighted=weighted, what=what) for item in items)


def read_sets(value: object, split: str, *, what: str = "file") -> dict[str, tuple[CorpusPart, ...]]:
    """
    Read validation or test sets, by the names they have among a task's splits.

    Args:
        value: as the user gave it: a path, a list, or a map of names to these.
        split: "valid" or "test".
        what: what a path is, for messages.

    Returns:
        `{"valid": ...}`, or `{"valid/news": ..., "valid/talks": ...}` in the order of the map.

    Raises:
        ConfigError: it is none of these.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        return {split: read_parts(value, split, weighted=False, what=what)}
    bad = [name for name in value if not re.fullmatch(r"[\w.-]+", str(name))]
    if bad or not value:
        raise ConfigError(
            f"{split} names a set {bad[0]!r}; use letters, digits, '_', '-' and '.'."
            if bad
            else f"{split} is an empty map; name a set and its files, such as {{news: data/news}}, or leave it out."
        )
    return {
        f"{split}/{name}": read_parts(each, f"{split}.{name}", weighted=False, what=what)
        for name, each in value.items()
    }


def _read_part(item: object, key: str, *, weighted: bool, what: str) -> CorpusPart:
    if isinstance(item, str) and item:
        return CorpusPart(item)
    if not isinstance(item, Mapping) or not isinstance(item.get("path"), str) or item.keys() - {"path", "weight"}:
        what = what.split(maxsplit=1)[0]
        allowed = f"a {what} or {{path: {what.upper()}, weight: W}}" if weighted else f"a {what}"
        raise ConfigError(f"{key} holds {item!r}; each entry must be {allowed}.")
    if not weighted and "weight" in item:
        raise ConfigError(f"{key} gives {item['path']!r} a weight; only training files are weighted.")
    weight = item.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
        raise ConfigError(f"{key} gives {item['path']!r} the weight {weight!r}; it must be a number above 0.")
    return CorpusPart(item["path"], float(weight))
