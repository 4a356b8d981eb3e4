"""From a kind and a name to the component that some plugin offers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields
from functools import partial
from typing import Any

from seqtrain.config.annotations import kinds_of_lists
from seqtrain.config.option import Selection, field_values
from seqtrain.errors import PluginError, did_you_mean
from seqtrain.plugin import PROJECT
from seqtrain.registry.component import NoConfig, Preset, RegisteredComponent
from seqtrain.registry.filters import PluginFilters
from seqtrain.registry.first_party import BUILTIN, first_party_plugin
from seqtrain.registry.installed import Plugin

__all__ = ["NoConfig", "Plugin", "Preset", "RegisteredComponent", "Registry"]


class Registry:
    """
    What the installed plugins offer.

    A component has a short name, such as `rnn`, and a qualified one, such as `acme/rnn`. A short name that two plugins
    offer is refused when it is used; it never depends on the order of installation.

    Args:
        plugins: every plugin found, usable or not, in a fixed order.
        plugin_filters: what the user has switched off; a child process is to find the same plugins by
            `plugin_filters.to_environment()`.
    """

    def __init__(self, plugins: Iterable[Plugin], plugin_filters: PluginFilters | None = None) -> None:
        self.plugins = tuple(plugins)
        self.plugin_filters = PluginFilters() if plugin_filters is None else plugin_filters
        self._registered = tuple(
            RegisteredComponent(component, plugin) for plugin in self.plugins for component in plugin.components
        )

    def components(self, kind: str | None = None) -> tuple[RegisteredComponent, ...]:
        """Return all components, or those of a kind, in the order of their plugins."""
        return tuple(each for each in self._registered if kind in (None, each.component.kind))

    def get(self, kind: str, name: str) -> RegisteredComponent:
        """
        Return the component of this kind and short or qualified name.

        Raises:
            PluginError: no usable plugin offers it, or two do.
        """
        found = self._find(kind, name)
        if len(found) == 1:
            return found[0]
        raise PluginError(_ambiguous(kind, name, found) if found else self._why_missing(kind, name))

    def knows(self, kind: str, name: str) -> bool:
        """Say whether a plugin offers a component of this short or qualified name, usable or not."""
        bad = (
            each.kind == kind and name in (each.name, f"{plugin.id}/{each.name}")
            for plugin in self.plugins
            for each in plugin.bad_records
        )
        return bool(self._find(kind, name)) or any(bad)

    def in_order(self, selections: Iterable[Selection]) -> list[Selection]:
        """
        Sort selections as their components are: by distribution, plugin and place within the plugin.

        Raises:
            PluginError: a component is missing.
        """
        return sorted(selections, key=lambda each: self._registered.index(self.get(each.kind, each.name)))

    def ambiguous(self, kind: str | None = None) -> list[str]:
        """Say for each short name, of a kind or of all, that two plugins offer, what to write instead."""
        offers = Counter((each.component.kind, each.component.name) for each in self.components(kind))
        return [_ambiguous(kind, name, self._find(kind, name)) for (kind, name), count in offers.items() if count > 1]

    def is_ambiguous(self, registered: RegisteredComponent) -> bool:
        """Say whether the short name of a component is refused because another plugin offers it, too."""
        return len(self._find(registered.component.kind, registered.component.name)) > 1

    def settled(self, kind: str, text: str) -> str:
        """
        Return what a recipe or a default means by a name: the same, or our own component where others have that name.

        What a user writes is never settled for them; but a plugin that takes a name of ours must not stop the runs
        of those who named nothing.
        """
        short = text.partition("/")[0]
        ours = f"{first_party_plugin(kind, short) or BUILTIN}/{short}"
        return f"{ours}{text[len(short) :]}" if len(self._find(kind, short)) > 1 and self._find(kind, ours) else text

    def split(self, kind: str, text: str) -> tuple[RegisteredComponent, str | None]:
        """
        Return the component and the preset that `NAME`, `PLUGIN/NAME`, `NAME/PRESET` or `PLUGIN/NAME/PRESET` means.

        `a/b` is the component b of plugin a where there is one, else the preset b of component a. Whether the
        component has that preset is for `RegisteredComponent.preset` to say.

        Raises:
            PluginError: no usable plugin offers the component, or two do.
        """
        name, slash, preset = text.rpartition("/")
        if not slash or self._find(kind, text):
            return self.get(kind, text), None
        is_component = bool(self._find(kind, name)) or "/" in name
        is_plugin = any(plugin.id == name for plugin in self.plugins)
        if is_plugin and not is_component:
            return self.get(kind, text), None  # raises, and says what is wrong with that plugin or its component
        return self.get(kind, name), preset

    def build(self, selection: Selection, **supplied: Any) -> Any:
        """
        Build a component: its `ref`, called with its config and what its kind is supplied with.

        For each field of its config that selects a component, a function that builds that one is passed under the
        field's name; for a field that is a list of names, `build_named` of their kind.

        Raises:
            PluginError: it is missing, or its plugin fails.
        """
        inner = field_values(selection.config)
        factories: dict[str, Callable[..., Any]] = {
            name: partial(self.build, value) for name, value in inner.items() if isinstance(value, Selection)
        }
        lists = kinds_of_lists(type(selection.config))
        factories |= {name: partial(self.build_named, kind) for name, kind in lists.items()}
        return self.get(selection.kind, selection.name).build(selection.config, **factories, **supplied)

    def build_named(self, kind: str, name: str, settings: object = None) -> Any:
        """
        Build a component that is chosen by its name alone.

        Args:
            kind: its kind.
            name: short or qualified.
            settings: its config, if it is an instance of the component's config class; else it has its defaults.

        Raises:
            PluginError: it is missing, has settings without a default, or its plugin fails.
        """
        registered = self.get(kind, name)
        config_type = registered.load_config()
        if isinstance(settings, config_type):
            return registered.build(settings)
        required = [
            each.name for each in fields(config_type) if each.default is MISSING and each.default_factory is MISSING
        ]
        if required:
            raise PluginError(f"{registered} cannot be chosen by its name alone: it must be given {required[0]}.")
        return registered.build(config_type())

    def _find(self, kind: str, name: str) -> list[RegisteredComponent]:
        return [
            each
            for each in self._registered
            if each.component.kind == kind and name in (each.component.name, each.qualified_name)
        ]

    def unusable(self) -> str:
        """Name the plugins that could not be asked what they offer, as a sentence; empty if there are none."""
        named = ", ".join(
            f"{plugin.id} (disabled)" if plugin.state == "disabled" else f"{plugin.id} ({plugin.state}: {plugin.note})"
            for plugin in self.plugins
            if not plugin.usable
        )
        return f" Plugins that could not be asked: {named}." if named else ""

    def _why_missing(self, kind: str, name: str) -> str:
        prefix, _, short = name.rpartition("/")
        for plugin in self.plugins:
            for bad in plugin.bad_records:
                if bad.kind == kind and name in (bad.name, f"{plugin.id}/{bad.name}"):
                    return f"{kind} {name!r} of {plugin} cannot be used: {bad.note}. {plugin.newer_or_none}"
        ours = first_party_plugin(kind, short)
        home = prefix or ours or short  # the plugin that would offer it, as far as one can tell
        for plugin in self.plugins:
            if plugin.id == home and not plugin.usable:
                state = "in conflict" if plugin.state == "conflict" else plugin.state
                return f"{kind} {name!r} is not available: {plugin} is {state}: {plugin.note}. {plugin.remedy}"
        if ours == home and all(plugin.id != home for plugin in self.plugins):
            return f"{kind} {name!r} is not installed. It comes with `pip install {PROJECT}-{home}`."
        offered = self.components(kind)
        known = [each.component.name for each in offered] + [each.qualified_name for each in offered]
        installed = ", ".join(sorted({each.component.name for each in offered}))
        return (
            f"No {kind} is named {name!r}.{did_you_mean(name, known)} Installed: {installed or 'none'}."
            f"{self.unusable()} See `{PROJECT} plugins list --components`."
        )


def _ambiguous(kind: str, name: str, found: Iterable[RegisteredComponent]) -> str:
    names = [each.qualified_name for each in found]
    return f"{len(names)} plugins offer a {kind} {name!r}: write {' or '.join(map(repr, names))}."
