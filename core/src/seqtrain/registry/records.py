"""What one plugin's module offers, checked record by record before anybody relies on it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from seqtrain.errors import PluginError
from seqtrain.plugin import KINDS, Component
from seqtrain.registry.hooks import read_hooks
from seqtrain.registry.installed import BadRecord

SUMMARY_LIMIT = 72  # characters; a terminal's width less the name beside it
_HOOK = "seqtrain_components"
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_OBJECT = re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*")
_RESOURCE = re.compile(r"\w+(\.\w+)*:[^/\\:][^\\:]*")


@dataclass(frozen=True)
class Offer:
    """
    What a plugin offers.

    Args:
        components: those that can be used.
        bad_records: those whose record is not right; the others do not suffer from it.
    """

    components: tuple[Component, ...]
    bad_records: tuple[BadRecord, ...]


def read_offer(plugin: object) -> Offer:
    """
    Call the `seqtrain_components` of a plugin's module and check each record.

    Raises:
        PluginError: it implements an unknown or misplaced hook, or none.
        BaseException: whatever the plugin itself raises.
    """
    implementations = read_hooks(plugin, "it")
    for each in implementations:
        if each.hook != _HOOK:
            raise PluginError(
                f"{each.hook} is called on the instances of a run, never on a plugin's module; "
                "put it on a callback, a tracker or another component"
            )
    if not implementations:
        raise PluginError(f"it has no {_HOOK} function marked with @hookimpl, so it offers nothing")
    records: list[object] = []
    for each in implementations:  # by itself, so that it fails by itself
        offered = each.function()
        if not isinstance(offered, Iterable):
            raise PluginError(f"{_HOOK} gave {offered!r}, not components; perhaps a `yield` is missing")
        records += offered
    return _sort_out(records)


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
    _check_types(component, where)
    if not _NAME.fullmatch(component.name):
        raise PluginError(f"{where}: a name is lower-case letters, digits, '_' and '-', and starts with a letter")
    _check_references(component, where)


def _sort_out(records: Iterable[object]) -> Offer:
    """Tell the records that are right from the others. Two of one name are both wrong, as nobody could choose."""
    good, bad = [], []
    for record in records:
        try:
            check_component(record)
        except PluginError as error:
            bad.append(_bad(record, str(error)))
        else:
            assert isinstance(record, Component)
            good.append(record)
    times = Counter((each.kind, each.name) for each in good)
    bad += [
        BadRecord(kind=kind, name=name, note=f"{kind}/{name} is offered {'twice' if count == 2 else f'{count} times'}")
        for (kind, name), count in times.items()
        if count > 1
    ]
    return Offer(tuple(each for each in good if times[each.kind, each.name] == 1), tuple(bad))


def _bad(record: object, note: str) -> BadRecord:
    kind, name = (record.kind, record.name) if isinstance(record, Component) else ("", "")
    return BadRecord(kind=str(kind), name=str(name), note=" ".join(note.split()))


def _check_types(component: Component, where: str) -> None:
    """Check what a dataclass does not: that its fields are of the types that they are declared to be."""
    texts: dict[str, Any] = {"name": component.name, "ref": component.ref, "summary": component.summary}
    for field, value in texts.items():
        if not isinstance(value, str):
            raise PluginError(f"{where}: {field} is {value!r}, not a text")
    tasks: Any = component.for_tasks
    if not isinstance(tasks, tuple | list) or not all(isinstance(each, str) for each in tasks):
        raise PluginError(f"{where}: for_tasks is {tasks!r}, not a tuple of names; write ('lm',), with a comma")


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
            if text is not None and not (isinstance(text, str) and pattern.fullmatch(text)):
                raise PluginError(f"{where}: {field} is {text!r}, not of the form {form!r}")
