"""A plugin as the rules see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from seqtrain.errors import PluginError, did_you_mean
from seqtrain.registry.component import RegisteredComponent
from seqtrain.registry.entry_points import PluginEntryPoint, find_entry_points, normalised
from seqtrain.registry.installed import Plugin
from seqtrain.registry.registry import Registry
from seqtrain_testing.check.probe import heavy_imports


@dataclass(frozen=True)
class Subject:
    """
    A plugin with all that is known of it.

    Args:
        plugin: as it was found.
        registry: what else is installed.
        declared: what its distribution's metadata says.
    """

    plugin: Plugin
    registry: Registry
    declared: PluginEntryPoint

    @property
    def distribution(self) -> str:
        """Its distribution's name, as package indexes compare it."""
        return normalised(self.plugin.distribution or "")

    @property
    def components(self) -> list[RegisteredComponent]:
        """What it offers."""
        return [each for each in self.registry.components() if each.plugin is self.plugin]

    def configs(self) -> Iterator[tuple[RegisteredComponent, type]]:
        """Yield the components with the type of their settings, those that cannot be loaded left out."""
        for each in self.components:
            try:
                yield each, each.load_config()
            except PluginError:
                continue

    @cached_property
    def heavy_imports(self) -> dict[str, str]:
        """What its cheap module and those of its settings import that they should not, by module."""
        return heavy_imports([self.module, *self.config_modules])

    @property
    def module(self) -> str:
        """Its cheap module."""
        return self.plugin.entry_point.partition(":")[0].strip()

    @property
    def config_modules(self) -> list[str]:
        """The modules of its settings."""
        references = (each.component.config for each in self.components)
        return list(dict.fromkeys(text.partition(":")[0] for text in references if text is not None))


def find_subjects(registry: Registry, name: str) -> list[Subject]:
    """
    Find the plugins that a plugin's id or a distribution's name means.

    Raises:
        PluginError: there is none.
    """
    found = [
        plugin
        for plugin in registry.plugins
        if name == plugin.id or normalised(name) == normalised(plugin.distribution or "")
    ]
    if not found:
        known = [known for plugin in registry.plugins for known in (plugin.id, plugin.distribution or plugin.id)]
        raise PluginError(
            f"No plugin and no distribution is named {name!r}.{did_you_mean(name, known)} "
            "Install it first, for example with `pip install --editable FOLDER`; `seqtrain plugins list` shows it then."
        )
    declared = {_key(each.plugin): each for each in find_entry_points()}
    return [Subject(plugin, registry, declared[_key(plugin)]) for plugin in found]


def _key(plugin: Plugin) -> tuple[str, str | None, str]:
    return plugin.id, plugin.distribution, plugin.entry_point
