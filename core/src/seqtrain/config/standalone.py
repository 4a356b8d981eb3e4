"""A component's settings by themselves, outside a run's configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seqtrain.config.convert import INVALID, Converter
from seqtrain.config.dump import dump_yaml
from seqtrain.config.merge import Merger
from seqtrain.config.option import Selection
from seqtrain.config.plain import to_plain
from seqtrain.config.reader import read_argument, read_yaml
from seqtrain.config.tree import MapNode, Node, Problems, Scalar, from_plain
from seqtrain.registry.registry import Registry


def resolve_component(
    registry: Registry,
    kind: str,
    name: str,
    settings: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
) -> Selection:
    """
    Choose a component and fill in its config.

    Args:
        registry: what is installed.
        kind: such as "exporter".
        name: short or qualified, perhaps with a preset: "transformer/tiny".
        settings: fields, as YAML gives them.
        overrides: fields as `key=value`, which lie over `settings`.

    Raises:
        ConfigError: settings are wrong; the message lists all of them.
        PluginError: there is no such component, or its plugin fails.
    """
    problems = Problems()
    read = [read_argument(each, problems) for each in overrides]
    return _resolve(
        registry, kind, name, [from_plain(dict(settings or {}), kind), *(each for each in read if each)], problems
    )


def to_text(selection: Selection) -> str:
    """Write a component's settings as YAML, as they stand in its section of RUN/config.yaml."""
    return dump_yaml({key: value for key, value in to_plain(selection).items() if key != "name"})


def from_text(registry: Registry, kind: str, name: str, text: str) -> Selection:
    """
    Read what `to_text` wrote.

    Raises:
        ConfigError: it does not fit the component.
    """
    problems = Problems()
    read = read_yaml(text, kind, problems)
    return _resolve(registry, kind, name, [] if read is None else [read], problems)


def _resolve(registry: Registry, kind: str, name: str, layers: Sequence[Node], problems: Problems) -> Selection:
    named = MapNode(entries={"name": Scalar(text=name, location=kind, quoted=True)}, location=kind, partial=True)
    node = Merger(registry, problems).selection(kind, kind, [named, *layers])
    selection = INVALID if node is None else Converter(problems).selection(kind, node)
    problems.raise_any()
    assert isinstance(selection, Selection)
    return selection
