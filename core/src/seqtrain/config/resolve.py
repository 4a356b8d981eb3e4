"""
From a task's recipe, a preset, a file, options and arguments to one checked configuration.

Layers, lowest first: the default of each field; the task's recipe, with its recipe for the built-in corpus laid over
it unless the user sets `task.train`; the preset; the YAML file; the named options; `key=value` in order.
Where the user says how long to train, the limits of the recipes give way: see `_limits_give_way`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from seqtrain.config.choice import Choice, Chooser
from seqtrain.config.convert import INVALID, Converter
from seqtrain.config.interpolate import interpolate
from seqtrain.config.merge import Merger, section
from seqtrain.config.option import field_values
from seqtrain.config.reader import read_argument, read_file, read_yaml
from seqtrain.config.saved import is_saved, read_saved
from seqtrain.config.schema import COMPONENT_SECTIONS, LENGTHS, LIMITS, RunConfig
from seqtrain.config.tree import MapNode, Problems, Scalar, is_null, leaf_locations
from seqtrain.errors import PluginError
from seqtrain.registry.registry import RegisteredComponent, Registry


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """
    A checked configuration, and who said what.

    Args:
        config: the configuration.
        origins: by dotted key of each value: "default", "train.yaml:14:3", "--model transformer/tiny",
            "argument trainer.seed=2", "preset transformer/tiny" or "recipe package:path.yaml:3:5".
        ignored: keys of a saved configuration that were left out, with the place where each stands; see `saved`.
    """

    config: RunConfig
    origins: Mapping[str, str]
    ignored: Mapping[str, str] = field(default_factory=dict)

    def origin(self, key: str) -> str:
        """Say where the value of a key comes from; an entry of a map or list may come with the whole."""
        while key and key not in self.origins:
            key = key.rpartition(".")[0]
        return self.origins.get(key, "default")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """
    What the user gives: a file, the named options, and `key=value` arguments.

    The named options hold the name of a component, perhaps with its preset: "transformer/tiny". `settings` are those
    of a configuration that comes from elsewhere than a file; what the user gives lies over them.
    """

    settings: MapNode | None = None
    config_file: Path | None = None
    task: str | None = None
    model: str | None = None
    criterion: str | None = None
    optimizer: str | None = None
    lr_scheduler: str | None = None
    overrides: Sequence[str] = ()

    @property
    def options(self) -> dict[str, str]:
        """The named options that were given, by section."""
        values = field_values(self)
        given = {kind: values[kind] for kind in COMPONENT_SECTIONS}
        return {kind: name for kind, name in given.items() if name is not None}


def resolve(  # noqa: PLR0913 - one for each thing that a command line says
    registry: Registry,
    *,
    settings: MapNode | None = None,
    config_file: Path | None = None,
    task: str | None = None,
    model: str | None = None,
    criterion: str | None = None,
    optimizer: str | None = None,
    lr_scheduler: str | None = None,
    overrides: Sequence[str] = (),
) -> Resolved:
    """
    Merge all layers, check them and make the configuration. For the arguments, see `Sources`.

    Raises:
        ConfigError: settings are wrong; the message lists all of them, each with its location.
        PluginError: nothing but components or plugins is wrong.
    """
    sources = Sources(
        settings=settings,
        config_file=config_file,
        task=task,
        model=model,
        criterion=criterion,
        optimizer=optimizer,
        lr_scheduler=lr_scheduler,
        overrides=overrides,
    )
    problems = Problems()
    layers, ignored = _all_layers(registry, sources, problems)
    tree = interpolate(Merger(registry, problems).run(layers), problems)
    chooser = Chooser(registry, Problems())
    # Without a task there is no recipe, so what else is missing says nothing.
    for kind in COMPONENT_SECTIONS if "task" in tree.entries else ("task",):
        choice = chooser.choose(kind, kind, section(layers, kind))
        if choice.name is None and not choice.layers:
            problems.add("", f"{kind}.name", _required(registry, kind))
    config = Converter(problems).run(tree)
    problems.raise_any()
    assert config is not INVALID
    return Resolved(config=config, origins=dict(leaf_locations(tree)), ignored=ignored)


def chosen_components(registry: Registry, sources: Sources) -> dict[str, RegisteredComponent]:
    """
    Find the components that a configuration selects, by section, without looking at any of their fields.

    Raises:
        ConfigError: the file or an argument cannot be read.
        PluginError: a component is unknown, or a recipe cannot be read.
    """
    problems = Problems()
    layers, _ = _all_layers(registry, sources, problems)
    chooser = Chooser(registry, problems)
    choices = {kind: chooser.choose(kind, kind, section(layers, kind)) for kind in COMPONENT_SECTIONS}
    problems.raise_any()
    return {kind: choice.registered for kind, choice in choices.items() if choice.registered is not None}


def _all_layers(registry: Registry, sources: Sources, problems: Problems) -> tuple[list[MapNode], Mapping[str, str]]:
    user, ignored = _user_layers(sources, problems)
    task = Chooser(registry, Problems()).choose("task", "task", section(user, "task"))
    return [*_limits_give_way(_recipes(task, problems), user), *user], ignored


def _limits_give_way(recipes: Sequence[MapNode], user: Sequence[MapNode]) -> list[MapNode]:
    """Drop the limits of recipes where the user sets a length: it is to be reached, and no other was asked for."""
    trainer = [node for node in section(user, "trainer") if isinstance(node, MapNode)]
    if not any(name in LENGTHS and not is_null(each) for node in trainer for name, each in node.entries.items()):
        return list(recipes)
    return [_without_limits(layer) for layer in recipes]


def _without_limits(recipe: MapNode) -> MapNode:
    trainer = recipe.entries.get("trainer")
    if not isinstance(trainer, MapNode):
        return recipe
    for name in LIMITS:
        trainer = trainer.without(name)
    return replace(recipe, entries={**recipe.entries, "trainer": trainer})


def _user_layers(sources: Sources, problems: Problems) -> tuple[list[MapNode], Mapping[str, str]]:
    """
    Read what the user gives, lowest first; see `Resolved` for what is ignored of it.

    Raises:
        ConfigError: the file cannot be read at all, so that nothing else can be said.
    """
    arguments = [read_argument(each, problems) for each in sources.overrides]
    layers = [sources.settings]
    ignored: dict[str, str] = {}
    if sources.config_file is not None:
        file = sources.config_file
        layer, ignored = read_saved(file, problems) if is_saved(file) else (read_file(file, problems), {})
        if layer is None:
            problems.raise_any()
        layers.append(layer)
    for kind, name in sources.options.items():
        location = f"--{kind.replace('_', '-')} {name}"
        chosen = MapNode(
            entries={"name": Scalar(text=name, location=location, quoted=True)}, location=location, partial=True
        )
        layers.append(MapNode(entries={kind: chosen}, location=location, partial=True))
    return [layer for layer in (*layers, *arguments) if layer is not None], ignored


def _recipes(task: Choice, problems: Problems) -> list[MapNode]:
    """Read the recipes of the selected task, lowest first."""
    if task.registered is None:
        return []
    component = task.registered.component
    use_builtin = not any({"train", "dummy"} & layer.entries.keys() for layer in task.layers)
    layers = []
    for reference in (component.recipe, component.builtin_recipe if use_builtin else None):
        if reference is None:
            continue
        try:
            text = task.registered.read_resource(reference)
        except PluginError as error:
            problems.add_plugin_error(f"task {component.name!r}", error)
            continue
        layers.append(read_yaml(text, f"recipe {reference}", problems, recipe=True))
    return [layer for layer in layers if layer is not None]


def _required(registry: Registry, kind: str) -> str:
    names = sorted({each.component.name for each in registry.components(kind)})
    option = f"--{kind.replace('_', '-')}"
    return f"is required: choose one with {option} NAME. Installed: {', '.join(names) or 'none'}."
