r"""
Replace `${section.field}` by what that field holds, before any text is read by its type.

OmegaConf does it, so its grammar and its resolvers, such as `${oc.env:HOME}`, are there; `\${` stands for a plain
`${`. It sees texts only, never numbers: what it would read into them is not what a field's type says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from seqtrain.config.plain import to_plain
from seqtrain.config.tree import ListNode, MapNode, Node, Problems, Scalar, SelectionNode, Value, from_plain

_MARK = "${"
_BEFORE_MARK = re.compile(r"(\\*)\$\{")


def escape(text: str) -> str:
    """Write a text so that interpolation gives it back unchanged."""
    return _BEFORE_MARK.sub(lambda found: found[1] * 2 + "\\${", text)


def interpolate(tree: MapNode, problems: Problems) -> MapNode:
    """Return a merged tree without interpolations; what cannot be resolved is added to `problems`."""
    if not _has_marks(tree):
        return tree
    from omegaconf import OmegaConf  # noqa: PLC0415 - 0.1 s, and most configurations have no interpolation

    interpolator = _Interpolator(problems)
    resolved = interpolator.resolve(tree, OmegaConf.create(interpolator.texts(tree, "")), "")
    assert isinstance(resolved, MapNode)
    return resolved


def _has_marks(node: Node) -> bool:
    if isinstance(node, SelectionNode):
        return _has_marks(node.fields)
    if isinstance(node, MapNode):
        return any(_has_marks(each) for each in node.entries.values())
    if isinstance(node, ListNode):
        return any(_has_marks(each) for each in node.items)
    return isinstance(node, Scalar) and _MARK in node.text


class _Interpolator:
    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def texts(self, node: Node, key: str) -> Any:
        """Turn a tree into maps and lists of texts, as OmegaConf takes them."""
        if isinstance(node, SelectionNode):
            return {"name": escape(node.name.text), **self.texts(node.fields, key)}
        if isinstance(node, MapNode):
            return {name: self.texts(each, f"{key}.{name}".strip(".")) for name, each in node.entries.items()}
        if isinstance(node, ListNode):
            return [self.texts(each, f"{key}[{i}]") for i, each in enumerate(node.items)]
        if isinstance(node, Value):
            return _default_texts(to_plain(node.value))
        if node.is_null:
            return None
        return node.text if _MARK not in node.text or self._is_well_formed(node, key) else escape(node.text)

    def resolve(self, node: Node, texts: Any, key: str) -> Node:
        """Resolve what is below a node, given OmegaConf's view of it."""
        if isinstance(node, SelectionNode):
            fields = self.resolve(node.fields, texts, key)
            assert isinstance(fields, MapNode)
            return replace(node, fields=fields)
        if isinstance(node, MapNode):
            entries = node.entries.items()
            return replace(
                node,
                entries={name: self._entry(each, texts, name, f"{key}.{name}".strip(".")) for name, each in entries},
            )
        assert isinstance(node, ListNode)
        items = (self._entry(each, texts, i, f"{key}[{i}]") for i, each in enumerate(node.items))
        return replace(node, items=tuple(items))

    def _entry(self, node: Node, texts: Any, name: str | int, key: str) -> Node:
        """Resolve one entry of a map or list. OmegaConf resolves what is asked of it, so nothing else is."""
        if not _has_marks(node):
            return node
        if not isinstance(node, Scalar):
            return self.resolve(node, texts[name], key)
        unresolved = Value(value=None)  # nothing is said of its type, and what it is for will not be made
        if self.problems.concern(key):
            return unresolved
        from omegaconf import OmegaConf  # noqa: PLC0415
        from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415

        try:
            value = texts[name]
            value = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        except OmegaConfBaseException as error:
            self._refuse(node, key, str(error))
            return unresolved
        return from_plain(value, node.location)

    def _is_well_formed(self, node: Scalar, key: str) -> bool:
        from omegaconf import OmegaConf  # noqa: PLC0415
        from omegaconf.errors import GrammarParseError  # noqa: PLC0415

        try:
            OmegaConf.create([node.text])
        except GrammarParseError:
            self._refuse(node, key, f"{node.text!r} is not of the form ${{section.field}}")
            return False
        return True

    def _refuse(self, node: Scalar, key: str, reason: str) -> None:
        first_line = reason.strip().partition("\n")[0]
        self.problems.add(node.location, key, f"cannot interpolate: {first_line} (for a plain ${{, write \\${{)")


def _default_texts(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _default_texts(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_default_texts(each) for each in value]
    node = from_plain(value, "")
    assert isinstance(node, Scalar)
    return None if node.is_null else escape(node.text)
