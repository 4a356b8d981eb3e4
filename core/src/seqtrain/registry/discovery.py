"""
Find the installed plugins and decide what state each is in.

No plugin can stop this: whatever can be decided without importing it is decided first, then its (cheap) module is
imported under guard, that of a stranger in a child process. The order of the result is a function of distribution and
plugin id alone, so it is the same on every machine of a run.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, version
from typing import TYPE_CHECKING

from seqtrain.errors import PluginError
from seqtrain.plugin import PROJECT
from seqtrain.registry.entry_points import API_MAJOR, PluginEntryPoint, find_entry_points, refused_requirement
from seqtrain.registry.filters import PluginFilters
from seqtrain.registry.installed import Plugin
from seqtrain.registry.isolation import contained
from seqtrain.registry.records import read_offer
from seqtrain.registry.registry import Registry

if TYPE_CHECKING:
    from seqtrain.registry.trial import Trial

HEAVY = frozenset((
    "datasets", "jax", "numpy", "omegaconf", "pandas", "scipy", "sentencepiece", "sklearn", "tensorboard",
    "tensorflow", "tokenizers", "torch", "transformers",
))  # fmt: skip
_ID = re.compile(r"\w[\w.-]*")  # it stands before a slash, and in lists with commas
_ENTRY_POINT = re.compile(r"\s*\w+(\.\w+)*\s*(:\s*\w+(\.\w+)*\s*)?(\[.*\])?\s*")
_LONGEST_NOTE = 300


def discover(
    environ: Mapping[str, str] = os.environ,
    entry_points: Iterable[EntryPoint] | None = None,
    plugin_filters: PluginFilters | None = None,
) -> Registry:
    """
    List every installed plugin and import the module of each one that may be used.

    Args:
        environ: where the filters, and the time that a plugin may take, are looked up.
        entry_points: what to look at instead of everything installed.
        plugin_filters: what the user has switched off, instead of what `environ` says about that.

    Raises:
        UsageError: `environ` has a time that is none.
    """
    plugin_filters = PluginFilters.from_environment(environ) if plugin_filters is None else plugin_filters
    owners: dict[str, Plugin] = {}  # plugin id -> the one that has it
    found: list[Plugin | Trial] = []
    try:
        for declared in find_entry_points(entry_points):
            plugin = _decide_before_import(declared, plugin_filters, owners)
            if plugin is None or plugin.state == "broken":
                owners.setdefault(declared.plugin.id, declared.plugin)
            found.append(plugin or _start_trial(declared, environ) or _decide_by_import(declared))
        plugins = [each if isinstance(each, Plugin) else each.outcome() for each in found]
    finally:
        for each in found:
            if not isinstance(each, Plugin):
                each.end()
    return Registry(plugins, plugin_filters)


def _decide_before_import(
    declared: PluginEntryPoint, plugin_filters: PluginFilters, owners: Mapping[str, Plugin]
) -> Plugin | None:
    """Return the plugin where its state shows without importing it."""
    plugin = declared.plugin
    note, remedy = plugin_filters.why_off(plugin.id)
    if note:
        return replace(plugin, state="disabled", note=note, remedy=remedy)
    known = _why_broken(declared) or _why_incompatible(declared)
    if known is None and plugin.id in owners:
        owner = owners[plugin.id]
        packages = dict.fromkeys((owner.package, plugin.package))
        remedy = f"Uninstall one of them: {' or '.join(f'`pip uninstall {each}`' for each in packages)}."
        return replace(plugin, state="conflict", note=f"its id is taken by {owner}", remedy=remedy)
    return known


def _why_broken(declared: PluginEntryPoint) -> Plugin | None:
    plugin, entry_point = declared.plugin, declared.entry_point
    if entry_point is None:
        return replace(plugin, remedy=f"Reinstall it: `{plugin.reinstall}`.")
    if not _ID.fullmatch(plugin.id):
        note = f"its id {plugin.id!r} is not made of letters, digits, '_', '-' and '.'"
    elif not _ENTRY_POINT.fullmatch(entry_point.value):
        note = f"its entry point is {entry_point.value!r}, not of the form 'package.module'"
    else:
        return None
    return replace(plugin, state="broken", note=note, remedy=plugin.newer_or_none)


def _why_incompatible(declared: PluginEntryPoint) -> Plugin | None:
    plugin, major = declared.plugin, declared.api_major
    if major != API_MAJOR:
        note = f"made for plugin API {major}; this seqtrain speaks {API_MAJOR}"
        needs = f"`pip install --upgrade {PROJECT} {plugin.package}`"
    else:
        requirement = refused_requirement(declared.requires, installed=_core_version())
        if not requirement:
            return None
        note = f"needs {requirement}; installed is {_core_version()}"
        needs = f"`pip install --upgrade {plugin.package}` or `pip install '{requirement}'`"
    remedy = f"Install versions that go together: {needs}. Or remove it: `pip uninstall {plugin.package}`."
    return replace(plugin, state="incompatible", note=note, remedy=remedy)


def _start_trial(declared: PluginEntryPoint, environ: Mapping[str, str]) -> Trial | None:
    """List a stranger's plugin in a child process; None for our own, or where there can be no child."""
    if declared.is_ours:
        return None
    from seqtrain.registry import trial  # noqa: PLC0415 - what only a stranger needs is not imported for the others

    timeout_s = trial.timeout_from(environ)
    if not trial.can_try():
        return None

    def listed() -> Plugin:
        try:
            return _decide_by_import(declared)
        except KeyboardInterrupt as error:  # raised by the plugin, as Ctrl-C does not reach the child
            return _broken_by(error, declared.plugin)

    with suppress(OSError):  # no further process is allowed
        return trial.Trial(declared.plugin, listed, timeout_s)
    return None


def _decide_by_import(declared: PluginEntryPoint) -> Plugin:
    """Import the plugin's module under guard and read what it offers."""
    plugin, entry_point = declared.plugin, declared.entry_point
    assert entry_point is not None
    before, started = set(sys.modules), time.perf_counter()
    try:
        with contained() as undone:
            offer = read_offer(entry_point.load())
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit too: no plugin takes the command line down
        return _broken_by(error, plugin)
    if offer.bad_records and not offer.components:
        note = "nothing that it offers can be used: " + "; ".join(each.note for each in offer.bad_records)
        plugin = replace(plugin, bad_records=offer.bad_records)
        return replace(plugin, state="broken", note=_one_line(note), remedy=plugin.newer_or_none)
    plugin = replace(plugin, components=offer.components, bad_records=offer.bad_records)
    heavy = sorted({name.partition(".")[0] for name in set(sys.modules) - before} & HEAVY)
    if heavy:
        undone.insert(0, f"imports {', '.join(heavy)} while being listed ({time.perf_counter() - started:.1f} s)")
    if not undone:
        return plugin
    remedy = (
        "It can be used. Its author should leave that to the modules of its components; "
        f"to go without it, type `{PROJECT} --no-plugin {plugin.id} ...`."
    )
    return replace(plugin, state="slow" if heavy else "ok", note=" and ".join(undone), remedy=remedy)


def _broken_by(error: BaseException, plugin: Plugin) -> Plugin:
    from traceback import format_exception, format_exception_only  # noqa: PLC0415 - only where something is wrong

    plugin = replace(plugin, state="broken")
    if isinstance(error, PluginError):  # in our words, about what its author has written; a traceback adds nothing
        return replace(plugin, note=_one_line(str(error)), remedy=plugin.newer_or_none)
    *_, note = format_exception_only(error)  # copes with errors that cannot even say what they are
    remedy = (
        f"`{PROJECT} plugins show {plugin.id}` prints the traceback. "
        f"Try `{plugin.reinstall}`, or remove it: `pip uninstall {plugin.package}`."
    )
    return replace(plugin, note=_one_line(note), remedy=remedy, traceback="".join(format_exception(error)))


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_NOTE else f"{text[:_LONGEST_NOTE]} ..."


@cache
def _core_version() -> str:
    return version(PROJECT)
