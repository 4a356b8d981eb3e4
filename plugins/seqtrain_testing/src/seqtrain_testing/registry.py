"""The registry that a test sees: what is installed, the toy parts, and what the test adds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from seqtrain.plugin import Component
from seqtrain.registry.discovery import discover
from seqtrain.registry.installed import Plugin
from seqtrain.registry.registry import Registry
from seqtrain_testing import toy_plugin

INLINE = "inline"  # the plugin that components registered by a test belong to


class RegistryBuilder:
    """
    Registers components without installing anything.

    Args:
        plugins: what is registered to begin with.
    """

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        self._plugins = list(plugins)

    @classmethod
    def with_everything_installed(cls) -> RegistryBuilder:
        """Begin with the installed plugins and the toy parts."""
        return cls([*_installed(), Plugin(id="toy", components=tuple(toy_plugin.seqtrain_components()))])

    def register(self, *components: Component, plugin_id: str = INLINE) -> None:
        """
        Add components, as if a plugin of this id offered them.

        A component of the test's own module has `ref=f"{__name__}:MyModel"`.
        """
        for index, plugin in enumerate(self._plugins):
            if plugin.id == plugin_id:
                self._plugins[index] = replace(plugin, components=(*plugin.components, *components))
                return
        self._plugins.append(Plugin(id=plugin_id, components=components))

    @property
    def registry(self) -> Registry:
        """A registry of what is registered by now."""
        return Registry(self._plugins)


@lru_cache
def _installed() -> tuple[Plugin, ...]:
    return discover().plugins  # once: nothing is installed while tests run
