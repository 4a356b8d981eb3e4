"""
Configuration as it was written: texts with their locations, before the type of any field is known.

A layer of configuration (a file, an argument, a recipe) is a tree of `MapNode`, `ListNode` and `Scalar`. Merging
adds two kinds of node: `Value`, for a default that is typed already, and `SelectionNode`, for a component that has
been looked up. A location is what an error message starts with: "train.yaml:14:3" or "argument trainer.seed=x".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from seqtrain.errors import ConfigError, PluginError, did_you_mean

_SHOWN = 50  # problems in one message
NULL_TEXTS = frozenset({"", "~", "null"})


@dataclass(frozen=True, kw_only=True)
class Scalar:
    """A text, and whether it stood in quotes, so that it cannot mean null."""

    text: str
    location: str
    quoted: bool = False

    @property
    def is_null(self) -> bool:
        """Whether it means "no value" where that is allowed."""
        return not self.quoted and self.text in NULL_TEXTS


@dataclass(frozen=True, kw_only=True)
class Value:
    """A default: typed already, and taken as it is."""

    value: Any
    location: str = "default"


@dataclass(frozen=True, kw_only=True)
class ListNode:
    """Items in order."""

    items: tuple[Node, ...]
    location: str


@dataclass(frozen=True, kw_only=True)
class MapNode:
    """
    Named entries.

    Args:
        entries: the values by key.
        location: where the map starts.
        key_places: where each key stands, if known better than by its value's location.
        partial: made from a dotted key, which changes one entry; a map that is written out is the whole of it.
        recipe: written in a task's recipe; a preset chosen elsewhere lies above it.
    """

    entries: Mapping[str, Node]
    location: str
    key_places: Mapping[str, str] = field(default_factory=dict)
    partial: bool = False
    recipe: bool = False

    def place_of(self, key: str) -> str:
        """Say where a key stands."""
        return self.key_places.get(key) or self.entries[key].location

    def without(self, key: str) -> MapNode:
        """Return the map less one entry."""
        return replace(self, entries={each: node for each, node in self.entries.items() if each != key})


@dataclass(frozen=True, kw_only=True)
class SelectionNode:
    """A component that has been looked up; its own fields are apart from its name."""

    kind: str
    name: Scalar
    config_type: type
    fields: MapNode

    @property
    def location(self) -> str:
        """Where the component was chosen."""
        return self.name.location


Node: TypeAlias = Scalar | Value | ListNode | MapNode | SelectionNode


def is_null(node: Node) -> bool:
    """Say whether a node means "no value"."""
    return isinstance(node, Scalar) and node.is_null


def from_plain(value: Any, location: str) -> Node:
    """Turn plain Python values, as a YAML library returns them, into nodes that share one location."""
    if isinstance(value, Mapping):
        return MapNode(entries={str(key): from_plain(each, location) for key, each in value.items()}, location=location)
    if isinstance(value, (list, tuple)):
        return ListNode(items=tuple(from_plain(each, location) for each in value), location=location)
    if value is None:
        return Scalar(text="null", location=location)
    if isinstance(value, bool):
        return Scalar(text="true" if value else "false", location=location)
    text = str(value)
    return Scalar(text=text, location=location, quoted=text in NULL_TEXTS)


def overlay(lower: Node | None, upper: Node) -> Node:
    """Lay one value over another: it replaces it, but a dotted key changes only its own entry of a map."""
    if isinstance(lower, Value) and isinstance(lower.value, Mapping):
        lower = MapNode(entries={key: Value(value=each) for key, each in lower.value.items()}, location=lower.location)
    if not (isinstance(upper, MapNode) and upper.partial and isinstance(lower, MapNode)):
        return upper
    entries = dict(lower.entries)
    for key, node in upper.entries.items():
        entries[key] = overlay(entries.get(key), node)
    return replace(lower, entries=entries)


def leaf_locations(node: Node, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted key and the location of every value in a merged tree."""
    prefix = f"{key}." if key else ""
    if isinstance(node, SelectionNode):
        yield f"{prefix}name", node.location
        yield from leaf_locations(node.fields, key) if node.fields.entries else ()
    elif isinstance(node, MapNode) and node.entries:
        for name, each in node.entries.items():
            yield from leaf_locations(each, f"{prefix}{name}")
    else:
        yield key, node.location


def scalars(node: Node) -> Iterator[Scalar]:
    """Yield every text below a node."""
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, SelectionNode):
        yield from scalars(node.fields)
    elif isinstance(node, (MapNode, ListNode)):
        for each in node.entries.values() if isinstance(node, MapNode) else node.items:
            yield from scalars(each)


def map_scalars(node: Node, function: Callable[[Scalar, str], Node], key: str = "") -> Any:
    """Return a tree with every text replaced by what a function makes of it and of its dotted key."""
    if isinstance(node, SelectionNode):
        return replace(node, fields=map_scalars(node.fields, function, key))
    if isinstance(node, MapNode):
        entries = node.entries.items()
        mapped = {name: map_scalars(each, function, f"{key}.{name}".strip(".")) for name, each in entries}
        return replace(node, entries=mapped)
    if isinstance(node, ListNode):
        items = enumerate(node.items)
        return replace(node, items=tuple(map_scalars(each, function, f"{key}[{i}]") for i, each in items))
    return function(node, key) if isinstance(node, Scalar) else node


class Problems:
    """
    Collects what is wrong; `raise_any` then reports all of it.

    Errors of plugins are kept apart: when there is nothing else, they are what the command ends with.
    """

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.keys: list[str] = []
        self.plugin_messages: list[str] = []

    def add(self, location: str, key: str, what: str) -> None:
        """
        Add a problem.

        Args:
            location: where it is, such as "train.yaml:14:3"; empty if nothing was written.
            key: the setting, such as "model.dropout"; left out where the location names it already.
            what: what is wrong, and what was allowed.
        """
        self.keys.append(key)
        if location.startswith(f"argument {key}="):
            key = ""
        _append(self.messages, ": ".join(part for part in (location, key, what) if part))

    def concern(self, section: str) -> bool:
        """Say whether something is wrong within a section, so that what else it says may only follow from that."""
        return any(key == section or key.startswith(f"{section}.") for key in self.keys)

    def add_plugin_error(self, location: str, error: PluginError) -> None:
        """Add what the registry said about a component."""
        _append(self.plugin_messages, f"{location}: {error}")

    def raise_any(self) -> None:
        """
        Report what was collected, if anything.

        Raises:
            ConfigError: a setting is wrong; the plugins' errors are listed too.
            PluginError: only plugins are at fault.
        """
        if self.messages:
            raise ConfigError(_listed(self.messages + self.plugin_messages))
        if self.plugin_messages:
            raise PluginError(_listed(self.plugin_messages))


def _listed(messages: list[str]) -> str:
    if len(messages) == 1:
        return messages[0]
    shown = messages[:_SHOWN] + ([f"and {len(messages) - _SHOWN:,} more"] if len(messages) > _SHOWN else [])
    return "\n  ".join([f"{len(messages)} problems in the configuration:", *shown])


def _append(messages: list[str], message: str) -> None:
    if message not in messages:
        messages.append(message)


def did_you_mean_or(name: str, known: Iterable[str]) -> str:
    """Return the nearest known name as a question, or else all of them."""
    names = list(known)
    return did_you_mean(name, names) or f" It has: {', '.join(names) or 'none'}."
