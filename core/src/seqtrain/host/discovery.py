"""
Find the installed plugins and decide what state each is in.

No plugin can stop this: whatever can be decided without importing it is decided first, then its (cheap) module is
imported under guard. The order of the result is a function of distribution and plugin id alone, so it is the same
on every machine of a run.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, EntryPoint, distributions, version

from seqtrain.host.installed import DISABLE_VARIABLE, Plugin
from seqtrain.host.offer import read_offer
from seqtrain.host.registry import Registry
from seqtrain.host.requirement import why_core_is_refused
from seqtrain.plugin import ENTRY_POINT_GROUP, PROJECT

_GROUP_OF_ANY_MAJOR = ENTRY_POINT_GROUP.rstrip("0123456789")
_HEAVY = frozenset((
    "datasets", "jax", "numpy", "omegaconf", "pandas", "scipy", "sentencepiece", "sklearn", "tensorboard",
    "tensorflow", "tokenizers", "torch", "transformers",
))  # fmt: skip


def discover(
    environ: Mapping[str, str] = os.environ,
    entry_points: Iterable[EntryPoint] | None = None,
    disabled: Collection[str] = (),
) -> Registry:
    """
    List every installed plugin and import the module of each one that may be used.

    Args:
        environ: where `SEQTRAIN_DISABLE_PLUGINS` is looked up: plugin ids, separated by commas or blanks.
        entry_points: what to look at instead of everything installed.
        disabled: further plugin ids not to import.
    """
    found = [_Candidate.of(each) for each in (_installed_entry_points() if entry_points is None else entry_points)]
    switched_off = {*disabled, *environ.get(DISABLE_VARIABLE, "").replace(",", " ").split()}
    owners: dict[str, Plugin] = {}  # plugin id -> the one that has it
    plugins = []
    for candidate in sorted(_without_other_majors(found), key=lambda each: each.order):
        plugin = _decide_before_import(candidate, switched_off, owners) or _decide_by_import(candidate)
        if plugin.usable or plugin.state == "broken":
            owners[plugin.id] = plugin
        plugins.append(plugin)
    return Registry(plugins)


@dataclass(frozen=True)
class _Candidate:
    """An entry point with what its distribution's metadata says."""

    entry_point: EntryPoint
    plugin: Plugin  # as far as it is known before importing
    requires: tuple[str, ...]

    @classmethod
    def of(cls, entry_point: EntryPoint) -> _Candidate:
        plugin = Plugin(id=entry_point.name, entry_point=entry_point.value)
        if entry_point.dist is None:
            return cls(entry_point, plugin, ())
        try:
            metadata = entry_point.dist.metadata  # parsed at every access, so read once
            plugin = replace(plugin, distribution=metadata["Name"], version=metadata["Version"])
            requires = tuple(metadata.get_all("Requires-Dist") or ())
            location, editable = _location(entry_point.dist)
            return cls(entry_point, replace(plugin, location=location, editable=editable), requires)
        except Exception:  # noqa: BLE001 - damaged metadata says nothing about the code, which may well load
            return cls(entry_point, plugin, ())

    @property
    def order(self) -> tuple[bool, str, str]:
        """Core first, so that nobody takes its id; then by distribution and id."""
        distribution = _normalised(self.plugin.distribution or "")
        return distribution != PROJECT, distribution, self.plugin.id


def _installed_entry_points() -> Iterator[EntryPoint]:
    """Yield the entry points of our groups, of any API major; damaged distributions are passed over."""
    seen = set()
    for distribution in distributions():
        try:
            # The text is searched first because parsing it for every distribution is what takes time.
            if _GROUP_OF_ANY_MAJOR not in (distribution.read_text("entry_points.txt") or ""):
                continue
            name = _normalised(distribution.metadata["Name"] or "")
            ours = [each for each in distribution.entry_points if each.group.startswith(_GROUP_OF_ANY_MAJOR)]
        except Exception:  # noqa: BLE001, S112 - somebody else's broken installation
            continue
        if name and name in seen:  # shadowed by one that comes earlier on sys.path
            continue
        seen.add(name)
        yield from ours


def _without_other_majors(found: Iterable[_Candidate]) -> list[_Candidate]:
    """Leave out what a distribution offers for other API majors where it offers the same plugin for ours."""
    found = list(found)
    ours = {each.order for each in found if each.entry_point.group == ENTRY_POINT_GROUP}
    return [each for each in found if each.entry_point.group == ENTRY_POINT_GROUP or each.order not in ours]


def _decide_before_import(
    candidate: _Candidate, switched_off: Collection[str], owners: Mapping[str, Plugin]
) -> Plugin | None:
    """Return the plugin where its state shows without importing it."""
    plugin, group = candidate.plugin, candidate.entry_point.group
    if plugin.id in switched_off:
        return replace(plugin, state="disabled", note=f"listed in {DISABLE_VARIABLE} or switched off by the caller")
    if group != ENTRY_POINT_GROUP:
        major = group.removeprefix(_GROUP_OF_ANY_MAJOR)
        speaks = ENTRY_POINT_GROUP.removeprefix(_GROUP_OF_ANY_MAJOR)
        return replace(plugin, state="incompatible", note=f"made for plugin API {major}; this seqtrain speaks {speaks}")
    refusal = why_core_is_refused(candidate.requires, installed=version(PROJECT))
    if refusal:
        return replace(plugin, state="incompatible", note=refusal)
    if plugin.id in owners:
        return replace(plugin, state="conflict", note=f"its id is taken by {owners[plugin.id]}")
    return None


def _decide_by_import(candidate: _Candidate) -> Plugin:
    """Import the plugin's module under guard and read what it offers."""
    before, started = set(sys.modules), time.perf_counter()
    try:
        with redirect_stdout(sys.stderr):  # stdout is for results; a plugin may greet its user elsewhere
            components = read_offer(candidate.entry_point.load(), candidate.plugin.id)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit too: no plugin takes the command line down
        import traceback  # noqa: PLC0415 - needed only where something is wrong

        text = "".join(traceback.format_exception(error))
        note = " ".join(f"{type(error).__name__}: {error}".split())
        return replace(candidate.plugin, state="broken", note=note, traceback=text)
    heavy = sorted({name.partition(".")[0] for name in set(sys.modules) - before} & _HEAVY)
    plugin = replace(candidate.plugin, components=components)
    if heavy:
        took = time.perf_counter() - started
        return replace(plugin, state="slow", note=f"imports {', '.join(heavy)} while being listed ({took:.1f} s)")
    return plugin


def _location(distribution: Distribution) -> tuple[str, bool]:
    """Return the folder a distribution is in, and whether that is its editable project folder."""
    record = distribution.read_text("direct_url.json")  # PEP 610; absent for what comes from an index
    if record and '"editable"' in record:
        import json  # noqa: PLC0415
        from urllib.parse import unquote, urlsplit  # noqa: PLC0415

        origin = json.loads(record)
        if origin.get("dir_info", {}).get("editable"):
            return unquote(urlsplit(origin["url"]).path), True
    return str(distribution.locate_file("")), False


def _normalised(name: str) -> str:
    """Return a distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
