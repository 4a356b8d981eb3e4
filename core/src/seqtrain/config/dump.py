"""
A configuration as YAML that reads back to an equal one.

Every field is written, null included, so that no recipe, preset or default can show through; `callbacks` and
`trackers` are written out, so they name all that there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from seqtrain.config.convert import read_any
from seqtrain.config.interpolate import escape
from seqtrain.config.plain import to_tree
from seqtrain.config.resolve import Resolved
from seqtrain.config.schema import RunConfig
from seqtrain.config.tree import NULL_TEXTS

_NO_WRAPPING = 2**31
_COMMENT_COLUMN = 44


def to_yaml(config: RunConfig) -> str:
    """Write a configuration as YAML; resolving that file gives an equal configuration."""
    return dump_yaml(escaped(to_tree(config)))


def dump_yaml(tree: dict[str, Any]) -> str:
    """Write plain maps, lists and values as YAML that our reader gives back as they are."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_NO_WRAPPING)


def to_annotated_yaml(resolved: Resolved) -> str:
    """Write a configuration as YAML in which a comment says where each value comes from."""
    text = to_yaml(resolved.config)
    lines = text.splitlines()
    for key, line in _leaf_lines(yaml.compose(text, Loader=yaml.SafeLoader)):
        lines[line] = f"{lines[line]:<{_COMMENT_COLUMN}}  # {resolved.origin(key)}"
    return "\n".join(lines) + "\n"


def _leaf_lines(node: yaml.Node | None, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Yield the dotted key of each value and the line it is on."""
    assert isinstance(node, yaml.MappingNode)
    for key, value in node.value:
        if isinstance(value, yaml.MappingNode) and value.value:
            yield from _leaf_lines(value, f"{prefix}{key.value}.")
        else:
            yield f"{prefix}{key.value}", key.start_mark.line


def escaped(value: Any) -> Any:
    """Keep every text from being interpolated when it is read back; keys never are."""
    if isinstance(value, dict):
        return {key: escaped(each) for key, each in value.items()}
    if isinstance(value, list):
        return [escaped(each) for each in value]
    return escape(value) if isinstance(value, str) else value


class _Dumper(yaml.SafeDumper):
    """Writes lists on one line and never an alias, and puts into quotes what is not to be read as anything else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    looks_otherwise = text in NULL_TEXTS or not isinstance(read_any(text), str)
    # Double quotes keep a text on one line, whatever is in it.
    style = '"' if not text.isprintable() else "'" if looks_otherwise else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)
