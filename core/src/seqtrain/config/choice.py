"""Which component a section ends up with, when several layers name one and give it fields."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from seqtrain.config.tree import MapNode, Node, Problems, Scalar, from_plain, is_null
from seqtrain.errors import PluginError
from seqtrain.registry.registry import RegisteredComponent, Registry


@dataclass(frozen=True, kw_only=True)
class Choice:
    """
    What the layers of one section come to.

    Args:
        name: the component's name as it was written, without a preset; None where no layer names one.
        registered: the component; None where there is none of that name.
        layers: the layers that speak of this component, lowest first.
        preset: the preset to lay in before `layers[preset_index]`.
    """

    name: Scalar | None = None
    registered: RegisteredComponent | None = None
    layers: tuple[MapNode, ...] = ()
    preset: str | None = None
    preset_index: int = 0

    def layers_with_preset(self) -> list[MapNode]:
        """
        Return the layers, the preset's among them.

        Raises:
            PluginError: the component has no such preset.
        """
        layers = list(self.layers)
        if self.preset is not None and self.registered is not None:
            origin = f"preset {self.registered.component.name}/{self.preset}"
            preset = from_plain(self.registered.preset(self.preset).config, origin)
            assert isinstance(preset, MapNode)
            layers.insert(self.preset_index, preset)
        return layers


class Chooser:
    """Finds components by the names that layers give."""

    def __init__(self, registry: Registry, problems: Problems) -> None:
        self.registry = registry
        self.problems = problems

    def choose(self, key: str, kind: str, nodes: Iterable[Node], default: str | None = None) -> Choice:
        """
        Find the component that is selected in the end.

        What was said while another component was selected is left out. Naming the same one again keeps its preset,
        unless another preset is named.

        Args:
            key: the section's dotted key.
            kind: the component's kind.
            nodes: what each layer says in this section, lowest first.
            default: the name where no layer gives one.
        """
        current = self._settled(kind, Scalar(text=default, location="default")) if default is not None else None
        spoken: list[tuple[MapNode, _Named | None]] = []  # each layer with the component selected at that point
        if current is not None:
            spoken.append((MapNode(entries={}, location="default", recipe=True), current))
        for layer in maps(key, nodes, self.problems):
            name = layer.entries.get("name")
            if isinstance(name, Scalar):
                current = self._settled(kind, name) if layer.recipe else self._named(kind, name)
            elif name is not None:
                self.problems.add(layer.place_of("name"), f"{key}.name", f"expected the name of a {kind}")
            spoken.append((layer, current))
        if current is None:
            return Choice(layers=tuple(layer for layer, _ in spoken))
        if current.registered is None:
            self.check(kind, current.name)
        return _settle(current, [each for each in spoken if each[1] is None or each[1].identity == current.identity])

    def check(self, kind: str, name: Scalar) -> None:
        """Report it if there is no such component."""
        try:
            self.registry.split(kind, name.text)
        except PluginError as error:
            self.problems.add_plugin_error(name.location, error)

    def identity(self, kind: str, text: str) -> str:
        """Return the qualified name, so that two ways to write a name meet; an unknown name as it is."""
        return self._named(kind, Scalar(text=text, location="")).identity

    def _settled(self, kind: str, name: Scalar) -> _Named:
        return self._named(kind, replace(name, text=self.registry.settled(kind, name.text)))

    def _named(self, kind: str, name: Scalar) -> _Named:
        try:
            registered, preset = self.registry.split(kind, name.text)
        except PluginError:  # reported only if no layer above names another one
            return _Named(name, None, None)
        if preset is not None:
            name = replace(name, text=name.text.removesuffix(f"/{preset}"))
        return _Named(name, registered, preset)


@dataclass(frozen=True)
class _Named:
    """A name that a layer gives, looked up."""

    name: Scalar
    registered: RegisteredComponent | None
    preset: str | None

    @property
    def identity(self) -> str:
        return self.name.text if self.registered is None else self.registered.qualified_name


def _settle(current: _Named, spoken: Sequence[tuple[MapNode, _Named | None]]) -> Choice:
    """Put together the layers that speak of the component, and find the location of its preset among them."""
    layers = tuple(layer for layer, _ in spoken)
    preset, index = None, 0
    for position, (layer, named) in enumerate(spoken):
        if named is not None and named.preset is not None and (not position or named is not spoken[position - 1][1]):
            # Under all that the user wrote, whoever chose it; but a recipe is made for the preset that it names.
            first_of_user = next(i for i, each in enumerate((*layers, None)) if each is None or not each.recipe)
            preset, index = named.preset, position if layer.recipe else first_of_user
    return Choice(name=current.name, registered=current.registered, layers=layers, preset=preset, preset_index=index)


def maps(key: str, nodes: Iterable[Node], problems: Problems) -> list[MapNode]:
    """Keep the nodes that are maps; null is a section left empty, anything else a mistake."""
    for node in nodes:
        if not isinstance(node, MapNode) and not is_null(node):
            problems.add(node.location, key, f"expected fields, as in {key}.NAME=VALUE, not a value")
    return [node for node in nodes if isinstance(node, MapNode)]
