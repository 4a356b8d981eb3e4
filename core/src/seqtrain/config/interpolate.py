r"""
Replace `${section.field}` by what that field holds, before any text is read by its type.

OmegaConf does it, so its grammar and its resolvers, such as `${oc.env:HOME}`, are there; `\${` stands for a plain
`${`. It sees texts only, never numbers: what it would read into them is not what a field's type says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from seqtrain.config.plain import to_plain
from seqtrain.config.tree import (
    ListNode,
    MapNode,
    Node,
    Problems,
    Scalar,
    SelectionNode,
    Value,
    from_plain,
    map_scalars,
    scalars,
)

_MARK = "${"
_BEFORE_MARK = re.compile(r"(\\*)\$\{")
# A text can refer to texts that refer to others; without limits, a page of them is the work of days.
_MOST_MARKS = 100  # `${` in a configuration
_DEEPEST = 10  # texts that refer to each other in a row
_LONGEST = 2_000  # characters of a text with one
_LARGEST = 100_000  # characters of all that comes out
_ENTRY = 20  # characters that an entry of a list or map counts as
_SHOWN = 80  # characters of a text that a message repeats
_RESOLVER = "seqtrain.text"  # stands in OmegaConf's tree for a text, so that each is worked out once


def escape(text: str) -> str:
    """Write a text so that interpolation gives it back unchanged."""
    return _BEFORE_MARK.sub(lambda found: found[1] * 2 + "\\${", text)


def refers(text: str) -> bool:
    """Say whether a text has a `${` that is to be replaced, not only such as `escape` writes."""
    return any(len(found[1]) % 2 == 0 for found in _BEFORE_MARK.finditer(text))


def interpolate(tree: MapNode, problems: Problems) -> MapNode:
    """Return a merged tree without interpolations; what cannot be resolved is added to `problems`."""
    marked = [each for each in scalars(tree) if _MARK in each.text]
    if not marked:
        return tree
    resolved: MapNode
    if not any(refers(each.text) for each in marked):
        resolved = map_scalars(tree, _unescaped)
        return resolved
    count = sum(each.text.count(_MARK) for each in marked)
    longest = max(marked, key=lambda each: len(each.text))
    if count > _MOST_MARKS or len(longest.text) > _LONGEST:
        said = f"{count} times ${{ in all, at most {_MOST_MARKS}, in texts of at most {_LONGEST:,} characters"
        problems.add(longest.location, "", f"too much to interpolate: {said}")
        return tree
    from omegaconf import OmegaConf  # noqa: PLC0415 - 0.1 s, and most configurations have no interpolation

    interpolator = _Interpolator(tree, problems)
    OmegaConf.register_resolver(_RESOLVER, interpolator.value, replace=True, annotation_validation="off")
    try:
        resolved = map_scalars(tree, interpolator.resolved)
    finally:
        OmegaConf.clear_resolver(_RESOLVER)
    return resolved


def _unescaped(scalar: Scalar, _key: str) -> Scalar:
    """Do what interpolation does to a text where there is nothing to interpolate."""
    text = _BEFORE_MARK.sub(lambda found: found[1][: len(found[1]) // 2] + _MARK, scalar.text)
    return replace(scalar, text=text)


@dataclass(frozen=True)
class _Text:
    """A text to interpolate: its node, its dotted key, and the names that lead to it in OmegaConf's tree."""

    node: Scalar
    key: str
    path: tuple[str | int, ...]


class _Interpolator:
    """
    Works out the texts of a tree.

    OmegaConf works a text out again wherever another refers to it, which takes for ever where a chain of texts refers
    twice to the one before. So its tree holds, for each text, a resolver of ours that remembers.
    """

    def __init__(self, tree: MapNode, problems: Problems) -> None:
        from omegaconf import OmegaConf  # noqa: PLC0415

        self.problems = problems
        self.texts: list[_Text] = []
        self.indices: dict[str, int] = {}  # of the texts, by key
        self.values: dict[int, Any] = {}
        self.size = self.depth = 0
        self.root: Any = OmegaConf.create(self.plain(tree, "", ()))

    def plain(self, node: Node, key: str, path: tuple[str | int, ...]) -> Any:
        """Turn a tree into maps and lists of texts, as OmegaConf takes them."""
        if isinstance(node, SelectionNode):
            return {"name": escape(node.name.text), **self.plain(node.fields, key, path)}
        if isinstance(node, MapNode):
            entries = node.entries.items()
            return {name: self.plain(each, f"{key}.{name}".strip("."), (*path, name)) for name, each in entries}
        if isinstance(node, ListNode):
            return [self.plain(each, f"{key}[{i}]", (*path, i)) for i, each in enumerate(node.items)]
        return _escaped(to_plain(node.value)) if isinstance(node, Value) else self._plain_text(node, key, path)

    def _plain_text(self, node: Scalar, key: str, path: tuple[str | int, ...]) -> str | None:
        if node.is_null or _MARK not in node.text:
            return None if node.is_null else node.text
        if not self._is_well_formed(node, key):
            return escape(node.text)
        self.indices[key] = len(self.texts)
        self.texts.append(_Text(node, key, path))
        return f"${{{_RESOLVER}:{self.indices[key]}}}"

    def resolved(self, node: Scalar, key: str) -> Node:
        """Return what becomes of a text; what it is for is not made where something is wrong with it."""
        if _MARK not in node.text:
            return node
        unresolved = Value(value=None)  # nothing is said of its type
        if self.problems.concern(key):
            return unresolved
        from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415

        try:
            value = self.value(self.indices[key])
        except (OmegaConfBaseException, ValueError, RecursionError) as error:
            self._refuse(node, key, _reason(error))
            return unresolved
        return from_plain(value, node.location)

    def value(self, index: int) -> Any:
        """
        Work a text out, or remember what came out.

        Raises:
            OmegaConfBaseException: it refers to itself, or to what is not there.
            ValueError: what comes out is too large.
        """
        if index in self.values:
            return self.values[index]
        self._refuse_size()
        if self.depth == _DEEPEST:
            raise ValueError(f"over {_DEEPEST} texts refer to each other in a row")
        from omegaconf import OmegaConf  # noqa: PLC0415

        text = self.texts[index]
        *names, last = text.path
        folder = self.root
        for name in names:
            folder = folder[name]
        resolver = f"${{{_RESOLVER}:{index}}}"
        folder[last] = text.node.text
        self.depth += 1
        try:
            value = folder[last]
            value = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        finally:
            self.depth -= 1
            folder[last] = resolver
        self.size += _size(value)
        self._refuse_size()
        self.values[index] = value
        return value

    def _refuse_size(self) -> None:
        if self.size > _LARGEST:
            raise ValueError(f"what comes out is too large, at most {_LARGEST:,} characters")

    def _is_well_formed(self, node: Scalar, key: str) -> bool:
        from omegaconf import OmegaConf  # noqa: PLC0415
        from omegaconf.errors import GrammarParseError  # noqa: PLC0415

        try:
            OmegaConf.create([node.text])
        except (GrammarParseError, RecursionError):
            self._refuse(node, key, f"{node.text[:_SHOWN]!r} is not of the form ${{section.field}}")
            return False
        return True

    def _refuse(self, node: Scalar, key: str, reason: str) -> None:
        self.problems.add(node.location, key, f"cannot interpolate: {reason} (for a plain ${{, write \\${{)")


def _reason(error: Exception) -> str:
    """Return what was wrong in the first place: OmegaConf wraps the errors of resolvers."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return str(error).strip().partition("\n")[0]


def _size(value: Any) -> int:
    """Count the characters of a plain value."""
    if isinstance(value, Mapping):
        return sum(len(str(key)) + _size(each) for key, each in value.items()) + _ENTRY
    if isinstance(value, (list, tuple)):
        return sum(map(_size, value)) + _ENTRY
    return _ENTRY + len(value) if isinstance(value, str) else _ENTRY


def _escaped(value: Any) -> Any:
    """Return a default as texts that OmegaConf leaves as they are."""
    if isinstance(value, Mapping):
        return {key: _escaped(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_escaped(each) for each in value]
    node = from_plain(value, "")
    assert isinstance(node, Scalar)
    return None if node.is_null else escape(node.text)
