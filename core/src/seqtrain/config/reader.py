"""
Read YAML files and `key=value` arguments into trees that keep every text as it was written.

What a text means is decided later, by the type of its field: `source_lang: no` is Norwegian, `007` keeps its zeros.
So nothing here turns a text into a number, a boolean or null.

Left out of YAML on purpose: anchors and aliases (`${section.field}` repeats a value), tags, several documents.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from seqtrain.config.interpolate import escape
from seqtrain.config.tree import ListNode, MapNode, Node, Problems, Scalar

_CORE_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value", "seq", "map")
)
# No configuration is as large as this, and what is larger is refused before it costs a second.
_LARGEST = 1_000_000  # bytes of a file
_MOST_NODES = 10_000  # keys, values, lists and maps
_DEEPEST = 40  # lists and maps within each other
_SHOWN = 80  # characters of an argument that an error message repeats
_Place: TypeAlias = Callable[[yaml.Mark | None], str]


def read_file(path: Path, problems: Problems) -> MapNode | None:
    """Read a YAML file; return None if that is not possible, with the reason added to `problems`."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        text = content.decode("utf-8-sig")  # a byte order mark is not part of the first key
    except UnicodeDecodeError as error:
        problems.add(str(path), "", f"not UTF-8: byte {error.start} is {error.object[error.start]:#04x}")
    except OSError as error:
        problems.add(str(path), "", f"cannot be read: {error.strerror or error}")
    else:
        if len(content) <= _LARGEST:
            return read_yaml(text, str(path), problems)
        problems.add(str(path), "", f"over {_LARGEST:,} bytes, which no configuration has")
    return None


def read_yaml(text: str, source: str, problems: Problems, *, recipe: bool = False) -> MapNode | None:
    """
    Read YAML text whose top level is a map.

    Args:
        text: the YAML.
        source: its file name, for error messages.
        problems: gets duplicate keys, and why nothing could be read.
        recipe: it is a task's recipe; see `MapNode`.

    Returns:
        The tree, empty for an empty file, or None if the text is not a YAML map.
    """

    def location(mark: yaml.Mark | None) -> str:
        return source if mark is None else f"{source}:{mark.line + 1}:{mark.column + 1}"

    root = _compose(text, location, problems)
    if root is None:
        return None
    node = _Walk(location, problems, recipe=recipe).node(root, "")
    if isinstance(node, MapNode):
        return node
    if isinstance(node, Scalar) and node.is_null:
        return MapNode(entries={}, location=source, recipe=recipe)
    problems.add(node.location, "", "expected sections such as `task:` or `trainer:` at the top level")
    return None


def read_argument(argument: str, problems: Problems) -> MapNode | None:
    """
    Read `section.field=value` into a tree with one leaf.

    The value is everything after the first `=`, taken as it is, spaces included. `[a, b]` and `{a: 1}` are read as
    YAML; so is a value in quotes, which is how `"null"` or `"[x]"` can be meant as text. Nothing after `=` is the
    empty text.
    """
    location = "argument " + argument.replace("\n", "\\n")[:_SHOWN]
    key, equals, value = argument.partition("=")
    names = key.split(".")
    if not equals or not all(name.strip() for name in names):
        problems.add(location, "", "expected KEY=VALUE, as in trainer.max_epochs=10")
        return None
    try:
        os.fsencode(argument).decode()
    except UnicodeError:  # the system's arguments are bytes, and those that are no text arrive as surrogates
        problems.add(ascii(location)[1:-1], "", "has bytes that are not UTF-8, which a configuration cannot hold")
        return None
    node = _read_value(value, location, problems)
    for name in reversed(names):
        if node is None:
            return None
        node = MapNode(entries={name.strip(): node}, location=location, partial=True)
    assert isinstance(node, MapNode)
    return node


def as_argument(key: str, text: str) -> str:
    """Return the argument that sets a field to just this text, whatever is in it."""
    return f"{key}={json.dumps(escape(text), ensure_ascii=False)}"


def _read_value(value: str, location: str, problems: Problems) -> Node | None:
    in_quotes = len(value) > 1 and value[0] in "\"'" and value[0] == value[-1]
    if not in_quotes and not value.startswith(("[", "{")):
        return Scalar(text=value, location=location, quoted=value == "")

    root = _compose(value, lambda _: location, problems)
    return None if root is None else _Walk(lambda _: location, problems).node(root, "")


def _compose(text: str, location: _Place, problems: Problems) -> yaml.Node | None:
    """Let the YAML library parse, and put its complaints in our form. An empty text is an empty scalar."""
    try:
        root: yaml.Node | None = yaml.compose(text, Loader=_LimitedLoader)
    except yaml.MarkedYAMLError as error:
        what = ", ".join(part for part in (error.context, error.problem) if part)
        problems.add(location(error.problem_mark), "", f"not valid YAML: {what}")
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        mark = yaml.Mark("", 0, before.count("\n"), len(before) - before.rfind("\n") - 1, None, 0)
        problems.add(location(mark), "", f"not valid YAML: the character {chr(error.character)!a} is not allowed")
    except RecursionError:
        problems.add(location(None), "", "not valid YAML: nested too deeply")
    except (ValueError, OverflowError) as error:  # "\\UFFFFFFFF": the library does not look before it leaps
        problems.add(location(None), "", f"not valid YAML: {error}")
    else:
        return yaml.ScalarNode("tag:yaml.org,2002:null", "") if root is None else root
    return None


class _LimitedLoader(yaml.SafeLoader):
    """Ends where a text has more nodes, or deeper ones, than any configuration."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._nodes = self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node and what is in it."""
        self._nodes += 1
        self._depth += 1
        limit = f"over {_MOST_NODES:,} values" if self._nodes > _MOST_NODES else "nested too deeply"
        if self._nodes > _MOST_NODES or self._depth > _DEEPEST:
            raise yaml.MarkedYAMLError(problem=limit, problem_mark=self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Walk:
    """Turns the YAML library's nodes into ours."""

    def __init__(self, location: _Place, problems: Problems, *, recipe: bool = False) -> None:
        self.location = location
        self.problems = problems
        self.recipe = recipe
        self.seen: set[int] = set()  # an alias is the very node of its anchor, perhaps one that contains it

    def node(self, node: yaml.Node, key: str) -> Node:
        location = self.location(node.start_mark)
        if id(node) in self.seen:
            self.problems.add(
                location, key, "anchors and aliases are not supported; repeat a value as ${section.field}"
            )
            node.value = node.value if isinstance(node, yaml.ScalarNode) else []  # what is in it has been looked at
        self.seen.add(id(node))
        if node.tag not in _CORE_TAGS:
            self.problems.add(location, key, f"the tag {node.tag} is not supported; leave it out")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            return ListNode(items=tuple(self.node(each, key) for each in node.value), location=location)
        assert isinstance(node, yaml.ScalarNode)
        if "\0" in node.value:
            self.problems.add(location, key, "the character \\0 is not allowed: no path or name can have it")
        return Scalar(text=node.value, location=location, quoted=bool(node.style))

    def mapping(self, node: yaml.MappingNode, key: str) -> MapNode:
        entries: dict[str, Node] = {}
        locations: dict[str, str] = {}
        for name, value in node.value:
            location = self.location(name.start_mark)
            if not isinstance(name, yaml.ScalarNode):
                self.problems.add(location, key, "a key must be a single word")
                continue
            dotted = f"{key}.{name.value}" if key else name.value
            if name.value in entries:
                self.problems.add(location, dotted, f"given twice; first at {locations[name.value]}")
                continue
            entries[name.value] = self.node(value, dotted)
            locations[name.value] = location
        return MapNode(
            entries=entries, location=self.location(node.start_mark), key_places=locations, recipe=self.recipe
        )
