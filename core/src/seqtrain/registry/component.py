"""A component as the registry hands it out: its record, its plugin, and the ways to load what the record points at."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from operator import attrgetter
from typing import Any

from seqtrain.errors import PluginError, SeqtrainError, did_you_mean
from seqtrain.plugin import Component
from seqtrain.registry.installed import Plugin


@dataclass(frozen=True, kw_only=True)
class NoConfig:
    """The settings of a component that has none."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """
    Settings that go by a name, such as `transformer/tiny`.

    Args:
        name: its own name.
        summary: one line.
        aliases: other names it answers to.
        config: values by field, as YAML gives them.
    """

    name: str
    summary: str
    aliases: tuple[str, ...]
    config: Mapping[str, Any]


@dataclass(frozen=True)
class RegisteredComponent:
    """A component and the plugin that offers it."""

    component: Component
    plugin: Plugin

    @property
    def qualified_name(self) -> str:
        """The name that no other plugin can have, such as "acme/rnn"."""
        return f"{self.plugin.id}/{self.component.name}"

    @property
    def provenance(self) -> dict[str, str | bool | None]:
        """Where it comes from, for a program to read."""
        return {
            "qualified_name": self.qualified_name,
            "plugin": self.plugin.id,
            "distribution": self.plugin.distribution,
            "version": self.plugin.version,
            "location": self.plugin.location,
            "editable": self.plugin.editable,
            "entry_point": self.plugin.entry_point,
        }

    def __str__(self) -> str:
        return f"{self.component.kind} {self.component.name!r} of {self.plugin}"

    def load(self) -> Any:
        """
        Import and return the class or function the component points at.

        Raises:
            PluginError: the import fails.
        """
        return self._import(self.component.ref)

    def build(self, config: Any, **supplied: Any) -> Any:
        """
        Load it and call it with its config and what its kind is supplied with.

        Raises:
            PluginError: the import fails, or the call does with an error that is not ours.
        """
        make = self.load()
        try:
            return make(config, **supplied)
        except SeqtrainError:
            raise
        except (Exception, SystemExit) as error:  # whatever a stranger's code raises
            raise PluginError(
                f"{self} cannot be built: {type(error).__name__}: {error}. "
                "Change its settings, leave it out of the configuration, or run with -v to see where it happened."
            ) from error

    def load_config(self) -> type:
        """
        Import and return the component's config dataclass; one without fields where it has none.

        Raises:
            PluginError: the import fails, or what it finds is not a dataclass.
        """
        if self.component.config is None:
            return NoConfig
        config_type = self._import(self.component.config)
        if not isinstance(config_type, type) or not dataclasses.is_dataclass(config_type):
            raise PluginError(f"{self}: its config {self.component.config} is not a dataclass.")
        return config_type

    def load_presets(self) -> Mapping[str, Preset]:
        """
        Read the component's presets, by name; none where it has none.

        Raises:
            PluginError: the file cannot be read or is not of the form `NAME: {summary, aliases, config}`.
        """
        reference = self.component.presets
        if reference is None:
            return {}
        import yaml  # noqa: PLC0415 - 20 ms that listing does without

        text = self.read_resource(reference)
        try:
            return {name: _preset(name, **fields) for name, fields in (yaml.safe_load(text) or {}).items()}
        except (yaml.YAMLError, AttributeError, TypeError) as error:
            raise PluginError(
                f"{self}: its presets {reference} are not of the form `NAME: {{summary, aliases, config}}`: {error}"
            ) from error

    def preset(self, name: str) -> Preset:
        """
        Return the preset of this name or alias.

        Raises:
            PluginError: there is none.
        """
        presets = self.load_presets()
        by_any_name = {alias: preset for preset in presets.values() for alias in (*preset.aliases, preset.name)}
        if name in by_any_name:
            return by_any_name[name]
        kind, component = self.component.kind, self.component.name
        raise PluginError(
            f"{kind} {component!r} has no preset {name!r}.{did_you_mean(name, by_any_name)} "
            f"Presets: {', '.join(presets) or 'none'}. See `seqtrain plugins show {kind}/{component}`."
        )

    def read_resource(self, reference: str) -> str:
        """
        Return the text of a file inside a package.

        Args:
            reference: "package:path/file.yaml".

        Raises:
            PluginError: there is no such package or file.
        """
        from importlib.resources import files  # noqa: PLC0415 - 10 ms that listing does without

        package, _, path = reference.partition(":")
        try:
            return files(package).joinpath(path).read_text(encoding="utf-8")
        except Exception as error:
            raise self._unloadable(reference, error) from error

    def _import(self, reference: str) -> Any:
        module, _, name = reference.partition(":")
        try:
            return attrgetter(name)(import_module(module))
        except (Exception, SystemExit) as error:  # whatever a plugin's module does when imported
            raise self._unloadable(reference, error) from error

    def _unloadable(self, reference: str, error: BaseException) -> PluginError:
        remedy = f"Reinstall it with `{self.plugin.reinstall}`"
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and missing.partition(".")[0] != reference.partition(":")[0].partition(".")[0]:
            remedy = f"Install what brings the module {missing!r}, which it needs"
        return PluginError(
            f"{self} cannot be loaded from {reference}: {type(error).__name__}: {error}. "
            f"{remedy}, or run with -v to see where it happened."
        )


def _preset(
    name: str, *, config: Mapping[str, Any], summary: str = "", aliases: list[str] | tuple[str, ...] = ()
) -> Preset:
    return Preset(name=name, summary=summary, aliases=tuple(aliases), config=dict(config))
