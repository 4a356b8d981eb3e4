"""What one plugin's module offers, checked record by record before anybody relies on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from seqtrain.errors import PluginError
from seqtrain.host.hook_check import read_hooks
from seqtrain.plugin import KINDS, Component

_HOOK = "seqtrain_components"
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_OBJECT = re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*")
_RESOURCE = re.compile(r"\w+(\.\w+)*:[^/\\:][^\\:]*")


def read_offer(plugin: object, plugin_id: str) -> tuple[Component, ...]:
    """
    Call a plugin's `seqtrain_components` and check each record.

    Raises:
        PluginError: it implements an unknown or misplaced hook, or a record is not right.
        BaseException: whatever the plugin itself raises.
    """
    offers: list[Callable[..., Any]] = []
    for hook, implementation in read_hooks(plugin, plugin_id):
        if hook != _HOOK:
            raise PluginError(
                f"{hook} is called on the instances of a run, never on a plugin's module; "
                "put it on a callback, a tracker or another component"
            )
        offers.append(implementation.function)
    if not offers:
        raise PluginError(f"it has no {_HOOK} function marked with @hookimpl, so it offers nothing")
    components = tuple(component for offer in offers for component in offer())
    _check(components)
    return components


def _check(components: tuple[Component, ...]) -> None:
    seen = set()
    for component in components:
        check_component(component)
        where = f"{component.kind}/{component.name}"
        if where in seen:
            raise PluginError(f"{where} is offered twice")
        seen.add(where)


def check_component(component: object) -> None:
    """
    Check one record by itself.

    Raises:
        PluginError: it is no record, or its kind, its name or a reference is not right.
    """
    if not isinstance(component, Component):
        raise PluginError(f"{_HOOK} gave {component!r}, which is not a Component")
    where = f"{component.kind}/{component.name}"
    if component.kind not in KINDS:
        raise PluginError(f"{where}: there is no kind {component.kind!r}; kinds are {', '.join(KINDS)}")
    if not _NAME.fullmatch(component.name):
        raise PluginError(f"{where}: a name is lower-case letters, digits, '_' and '-', and starts with a letter")
    _check_references(component, where)


def _check_references(component: Component, where: str) -> None:
    objects = {"ref": component.ref, "config": component.config}
    resources = {
        "presets": component.presets,
        "recipe": component.recipe,
        "builtin_recipe": component.builtin_recipe,
    }
    for references, pattern, form in (
        (objects, _OBJECT, "package.module:Name"),
        (resources, _RESOURCE, "package:path/file.yaml"),
    ):
        for field, text in references.items():
            if text is not None and not pattern.fullmatch(text):
                raise PluginError(f"{where}: {field} is {text!r}, not of the form {form!r}")
