"""
Lay the layers of a configuration over each other, lowest first, as the types of the fields say.

What is not simply replaced by the layer above:

- A **component** keeps what lower layers say of it only while it stays the same component; a preset lies under
  everything that the user wrote, and a recipe's preset under that recipe.
- A **nested config** is merged field by field. An option with `excludes` unsets those siblings in lower layers.
- The **maps** `callbacks` and `trackers`, written out, name all that there is; a dotted key adds or changes one,
  and null leaves one out. A component named in both layers keeps its fields from the lower one.
- A **map of values**, written out, is the whole of it too; a dotted key changes one entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from typing import Any

from seqtrain.config.annotations import (
    allows_list,
    alternatives,
    config_type_in,
    field_types,
    is_list,
    is_map,
    item_type,
)
from seqtrain.config.choice import Chooser, maps
from seqtrain.config.option import Option, field_values, option_of
from seqtrain.config.schema import COMPONENT_SECTIONS, CORE_SECTIONS, MAP_DEFAULTS, MAP_SECTIONS
from seqtrain.config.tree import (
    ListNode,
    MapNode,
    Node,
    Problems,
    Scalar,
    SelectionNode,
    Value,
    did_you_mean_or,
    is_null,
    overlay,
)
from seqtrain.errors import PluginError
from seqtrain.registry.registry import Registry


class Merger:
    """Merges layers into one tree that holds a value, or a default, for every field."""

    def __init__(self, registry: Registry, problems: Problems) -> None:
        self.problems = problems
        self.chooser = Chooser(registry, problems)

    def run(self, layers: Sequence[MapNode]) -> MapNode:
        """Merge whole configurations, lowest first."""
        known = [*COMPONENT_SECTIONS, *CORE_SECTIONS, *MAP_SECTIONS]
        for layer in layers:
            for name in layer.entries:
                if name not in known:
                    self.problems.add(layer.place_of(name), name, f"no section {name!r}.{did_you_mean_or(name, known)}")
        entries: dict[str, Node | None] = {}
        for kind in COMPONENT_SECTIONS:
            entries[kind] = self.selection(kind, kind, section(layers, kind))
        for name, config_type in CORE_SECTIONS.items():
            entries[name] = self.fields(
                name, config_type, maps(name, section(layers, name), self.problems), f"section {name!r}"
            )
        for name, kind in MAP_SECTIONS.items():
            entries[name] = self.named(name, kind, section(layers, name))
        return _map_of(entries, "default")

    def fields(
        self, key: str, config_type: type, layers: Sequence[MapNode], owner: str, defaults: Any = None
    ) -> MapNode:
        """
        Merge the fields of a config dataclass.

        Args:
            key: its dotted key.
            config_type: the dataclass.
            layers: what was written, lowest first.
            owner: what an error says has no such field.
            defaults: an instance whose values are the defaults, instead of the dataclass's own.
        """
        known = field_types(config_type)
        given, unset = self._given(key, config_type, layers, owner)
        entries = {}
        for each in fields(config_type):
            if each.name in known:
                default = _default(each, None if each.name in unset else defaults)
                described = option_of(config_type, each.name)
                name = f"{key}.{each.name}"
                entries[each.name] = self.value(name, known[each.name], described, given[each.name], default)
        return _map_of(entries, layers[-1].location if layers else "default")

    def _given(
        self, key: str, config_type: type, layers: Sequence[MapNode], owner: str
    ) -> tuple[dict[str, list[Node]], set[str]]:
        """Collect what was written for each field, and the fields that another one has unset on the way."""
        known = field_types(config_type)
        given: dict[str, list[Node]] = {name: [] for name in known}
        unset: set[str] = set()
        for layer in layers:
            for name, node in layer.entries.items():
                if name not in known:
                    what = f"no such field of {owner}.{did_you_mean_or(name, known)}"
                    self.problems.add(layer.place_of(name), f"{key}.{name}", what)
                    continue
                given[name].append(node)
                if not is_null(node):
                    others = {each for each in option_of(config_type, name).excludes if each not in layer.entries}
                    unset |= others
                    given.update((each, []) for each in others)
        return given, unset

    def value(self, key: str, annotation: Any, option: Option, nodes: Sequence[Node], default: Any) -> Node | None:
        """Merge what was written for one field; None means that nothing was, and that there is no default."""
        if option.component is not None and not allows_list(annotation):
            return self.selection(key, option.component, nodes, default)
        config_type = config_type_in(annotation)
        if config_type is not None:
            return self.nested(key, config_type, nodes, default)
        result: Node | None = None if default is MISSING else Value(value=default)
        for node in nodes:
            result = overlay(result, node)
        if option.component is not None and isinstance(result, ListNode):
            for item in result.items:
                if isinstance(item, Scalar):
                    self.chooser.check(option.component, item)
        return None if result is None else self.items(key, annotation, result)

    def nested(self, key: str, config_type: type, nodes: Sequence[Node], default: Any) -> Node | None:
        """Merge a field that holds a config dataclass. What is no map, such as null, replaces all below it."""
        start = max((index for index, node in enumerate(nodes) if not isinstance(node, MapNode)), default=-1)
        layers = [node for node in nodes[start + 1 :] if isinstance(node, MapNode)]
        if nodes and not layers:
            return nodes[-1]
        has_default = start < 0 and is_dataclass(default)
        if not layers and not has_default:
            return None if default is MISSING else Value(value=default)
        return self.fields(key, config_type, layers, repr(key), default if has_default else None)

    def items(self, key: str, annotation: Any, node: Node) -> Node:
        """Fill in the defaults of config dataclasses that stand in a list or a map."""
        for member in alternatives(annotation):
            config_type = config_type_in(item_type(member))
            if config_type is None:
                continue
            if isinstance(node, ListNode) and is_list(member):
                filled = (self.nested(f"{key}[{i}]", config_type, [each], MISSING) for i, each in enumerate(node.items))
                return replace(node, items=tuple(each for each in filled if each is not None))
            if isinstance(node, MapNode) and is_map(member):
                entries = {
                    name: self.nested(f"{key}.{name}", config_type, [each], MISSING)
                    for name, each in node.entries.items()
                }
                return _map_of(entries, node.location)
        return node

    def selection(self, key: str, kind: str, nodes: Sequence[Node], default: Any = MISSING) -> Node | None:
        """Merge a component's section: the last name counts, and the fields given for that component."""
        if nodes and is_null(nodes[-1]) and default is not MISSING:
            return nodes[-1]
        choice = self.chooser.choose(key, kind, nodes, default if isinstance(default, str) else None)
        if choice.name is None:
            for layer in choice.layers:
                self.problems.add(layer.location, key, f"set {key}.name too: which {kind} do these fields belong to?")
            return None if default is MISSING else Value(value=None)
        if choice.registered is None:
            return None
        try:
            layers = [layer.without("name") for layer in choice.layers_with_preset()]
            config_type = choice.registered.load_config()
            own_fields = self.fields(key, config_type, layers, f"{kind} {choice.name.text!r}")
        except PluginError as error:
            self.problems.add_plugin_error(choice.name.location, error)
            return None
        return SelectionNode(kind=kind, name=choice.name, config_type=config_type, fields=own_fields)

    def named(self, section_name: str, kind: str, nodes: Sequence[Node]) -> MapNode:
        """Merge a map from names of components to their fields."""
        defaults = [self.chooser.registry.settled(kind, name) for name in MAP_DEFAULTS[section_name]]
        found = {self.chooser.identity(kind, name): [_naming(name, "default")] for name in defaults}
        location = "default"
        empty = (MapNode(entries={}, location=node.location) if is_null(node) else node for node in nodes)
        for layer in maps(section_name, list(empty), self.problems):
            location = layer.location
            identities = {name: self.chooser.identity(kind, name) for name in layer.entries}
            if not layer.partial:
                found = {identity: below for identity, below in found.items() if identity in identities.values()}
            for name, identity in identities.items():
                node = layer.entries[name]
                if isinstance(node, MapNode):
                    found.setdefault(identity, []).append(_naming(name, layer.place_of(name), node))
                elif is_null(node) and node != Scalar(text="", location=node.location):
                    found.pop(identity, None)
                    self.chooser.check(kind, Scalar(text=name, location=layer.place_of(name)))
                else:
                    what = "expected a map of its fields ({} for the defaults), or null to leave it out"
                    self.problems.add(node.location, f"{section_name}.{name}", what)
        entries: dict[str, Node | None] = {}
        for layers in found.values():
            name = _name_in(layers[-1])
            entries[name] = self.selection(f"{section_name}.{name}", kind, layers)
        return _map_of({_selected_name(node, name): node for name, node in entries.items()}, location)


def section(layers: Iterable[MapNode], name: str) -> list[Node]:
    """Return what each layer that has a section says there."""
    return [layer.entries[name] for layer in layers if name in layer.entries]


def _default(each: Field[Any], instance: Any) -> Any:
    if instance is not None:
        return field_values(instance)[each.name]
    return each.default if each.default_factory is MISSING else each.default_factory()


def _naming(name: str, location: str, layer: MapNode | None = None) -> MapNode:
    """Turn an entry of a map of components into a section with that name."""
    layer = layer or MapNode(entries={}, location=location)
    return replace(layer, entries={"name": Scalar(text=name, location=location), **layer.entries})


def _name_in(layer: MapNode) -> str:
    name = layer.entries["name"]
    return name.text if isinstance(name, Scalar) else "name"


def _selected_name(node: Node | None, name: str) -> str:
    """Return the name without a preset."""
    return node.name.text if isinstance(node, SelectionNode) else name


def _map_of(entries: dict[str, Node | None], location: str) -> MapNode:
    return MapNode(entries={name: node for name, node in entries.items() if node is not None}, location=location)
