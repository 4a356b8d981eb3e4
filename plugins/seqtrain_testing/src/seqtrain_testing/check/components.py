"""
The rules that hold for a single component, written once: `plugins check` and the contract tests both apply them.

A rule yields what is wrong, one sentence without a full stop for each thing. It raises `PluginError` where the
component or its settings cannot be loaded, unless finding that out is what the rule is for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

import click

from seqtrain.config.help import describe
from seqtrain.config.standalone import from_text, resolve_component, to_text
from seqtrain.errors import ConfigError, PluginError
from seqtrain.registry.component import RegisteredComponent
from seqtrain.registry.records import SUMMARY_LIMIT, check_component
from seqtrain.registry.registry import Registry
from seqtrain_testing.check.documentation import undocumented

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def record_is_right(registered: RegisteredComponent) -> Iterator[str]:
    """Kind, name and references are well formed, and a summary says in one line what it is."""
    try:
        check_component(registered.component)
    except PluginError as error:
        yield one_line(error)
    summary = registered.component.summary
    if not summary.strip():
        yield f"{where(registered)} has no summary"
    elif len(summary) > SUMMARY_LIMIT or "\n" in summary:
        yield f"{where(registered)} has a summary of {len(summary)} characters: {summary!r}"


def reference_can_be_called(registered: RegisteredComponent) -> Iterator[str]:
    """What a run would import is there, and can be called; a command is click's."""
    reference = registered.component.ref
    try:
        found = registered.load()
    except PluginError as error:
        yield one_line(error)
        return
    if registered.component.kind == "command" and not isinstance(found, click.Command):
        yield f"{where(registered)}: {reference} is not a click command"
    elif not callable(found):
        yield f"{where(registered)}: {reference} cannot be called"


def settings_are_frozen_dataclasses(registered: RegisteredComponent) -> Iterator[str]:
    """Settings are given by name, and nobody changes them by accident."""
    try:
        config_type: Any = registered.load_config()
    except PluginError as error:
        yield one_line(error)
        return
    if not config_type.__dataclass_params__.frozen:
        yield f"{where(registered)}: {config_type.__name__} is not frozen"
    positional = [field.name for field in dataclasses.fields(config_type) if field.init and not field.kw_only]
    if positional:
        yield f"{where(registered)}: {', '.join(positional)} of {config_type.__name__} can be given by position"


def settings_are_explained(registered: RegisteredComponent) -> Iterator[str]:
    """Every setting says what it means."""
    config_type = registered.load_config()
    silent = [row.key for row in describe(config_type) if not row.help.strip()]
    if silent:
        yield f"{where(registered)}: {', '.join(silent)} of {config_type.__name__} has no help text"


def name_is_free(registered: RegisteredComponent) -> Iterator[str]:
    """In a configuration, `name` is the component's own."""
    config_type = registered.load_config()
    if "name" in {field.name for field in dataclasses.fields(config_type)}:
        yield f"{where(registered)}: {config_type.__name__} has a setting called name"


def defaults_are_valid(
    registry: Registry, registered: RegisteredComponent, given: Mapping[str, Any] = _NOTHING
) -> Iterator[str]:
    """
    The defaults pass the checks that hold for what a user gives, and survive being written and read.

    Args:
        registry: what is installed.
        registered: the component.
        given: settings; those that it requires are taken. Nothing is wrong with the defaults if one is missing here.
    """
    required = required_settings(registered)
    if given.keys() >= set(required):
        least = {key: given[key] for key in required}
        yield from _problems_of(registry, registered, registered.qualified_name, least)


def presets_can_be_used(
    registry: Registry, registered: RegisteredComponent, given: Mapping[str, Any] = _NOTHING
) -> Iterator[str]:
    """Every preset can be chosen; arguments as of `defaults_are_valid`."""
    required = required_settings(registered)
    try:
        presets = registered.load_presets()
    except PluginError as error:
        yield one_line(error)
        return
    for preset in presets if given.keys() >= set(required) else ():
        least = {key: given[key] for key in required}
        yield from _problems_of(registry, registered, f"{registered.qualified_name}/{preset}", least)


def is_documented(registered: RegisteredComponent) -> Iterator[str]:
    """The class or function, its public methods, its settings and the modules of both have docstrings."""
    exported = (registered.load(), registered.load_config())
    references = [registered.component.ref, registered.component.config or registered.component.ref]
    modules = (import_module(reference.partition(":")[0]) for reference in dict.fromkeys(references))
    silent = [name for thing in (*modules, *exported) for name in undocumented(thing)]
    if silent:
        yield f"{where(registered)}: no docstring on {', '.join(silent)}"


def required_settings(registered: RegisteredComponent) -> list[str]:
    """Return the settings without a default."""
    missing = dataclasses.MISSING
    return [
        each.name
        for each in dataclasses.fields(registered.load_config())
        if each.init and each.default is missing and each.default_factory is missing
    ]


def where(registered: RegisteredComponent) -> str:
    """Name a component at the beginning of a sentence."""
    return f"{registered.component.kind}/{registered.component.name}"


def one_line(error: Exception) -> str:
    """Return an error's message as a sentence without a full stop."""
    return " ".join(str(error).split()).rstrip(".")


def _problems_of(
    registry: Registry, registered: RegisteredComponent, name: str, settings: Mapping[str, Any]
) -> Iterator[str]:
    """Choose a component by name, perhaps with a preset, and give it all its settings, as a user would."""
    kind = registered.component.kind
    try:
        chosen = resolve_component(registry, kind, name, settings)
        if from_text(registry, kind, name, to_text(chosen)) != chosen:
            yield f"{where(registered)}, chosen as {name}: its settings differ after being written and read"
    except (ConfigError, PluginError) as error:
        yield f"{where(registered)}, chosen as {name}: {one_line(error)}"
