"""The entry points of plugins, with what the metadata of their distributions says. Imports no plugin."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, EntryPoint, distributions

from seqtrain.plugin import ENTRY_POINT_GROUP, PROJECT
from seqtrain.registry.first_party import is_first_party
from seqtrain.registry.installed import Plugin

GROUP_OF_ANY_MAJOR = ENTRY_POINT_GROUP.rstrip("0123456789")
API_MAJOR = ENTRY_POINT_GROUP.removeprefix(GROUP_OF_ANY_MAJOR)


@dataclass(frozen=True)
class PluginEntryPoint:
    """
    What claims to be a plugin.

    Args:
        plugin: as far as it is known before importing it.
        entry_point: where its module is; None where the distribution does not say so legibly.
        requires: what its distribution requires.
    """

    plugin: Plugin
    entry_point: EntryPoint | None = None
    requires: tuple[str, ...] = ()

    @property
    def api_major(self) -> str:
        """The version of the plugin API that it is made for."""
        return API_MAJOR if self.entry_point is None else self.entry_point.group.removeprefix(GROUP_OF_ANY_MAJOR)

    @property
    def is_ours(self) -> bool:
        """Whether it is core or one of our own packages."""
        return is_ours(self.plugin)

    @property
    def order(self) -> tuple[bool, bool, str, str]:
        """Core first and our own packages next, so that nobody takes their ids; then by distribution and id."""
        distribution = normalised(self.plugin.distribution or "")
        return distribution != PROJECT, not self.is_ours, distribution, self.plugin.id


def find_entry_points(entry_points: Iterable[EntryPoint] | None = None) -> list[PluginEntryPoint]:
    """
    Return the candidates in an order that is the same on every machine, however their packages lie on `sys.path`.

    Args:
        entry_points: what to look at instead of everything installed.
    """
    found = _installed() if entry_points is None else (_declared(each, *_describe(each.dist)) for each in entry_points)
    return sorted(_without_other_majors(found), key=lambda each: each.order)


def is_ours(plugin: Plugin) -> bool:
    """Say whether a plugin is core or one of our own packages."""
    return is_first_party(normalised(plugin.distribution or ""), plugin.id)


def normalised(name: str) -> str:
    """Return a distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed() -> Iterator[PluginEntryPoint]:
    """Yield what is installed for our groups, of any API major."""
    seen = set()
    for distribution in distributions():
        try:
            # The text is searched first because parsing it for every distribution is what takes time.
            if GROUP_OF_ANY_MAJOR not in (distribution.read_text("entry_points.txt") or ""):
                continue
            ours = [each for each in distribution.entry_points if each.group.startswith(GROUP_OF_ANY_MAJOR)]
        except Exception as error:  # noqa: BLE001 - an installation that is damaged, perhaps of somebody else
            yield from _damaged(distribution, error)
            continue
        described, requires = _describe(distribution)
        name = normalised(described.distribution or "")
        if name and name in seen:  # shadowed by one that comes earlier on sys.path
            continue
        seen.add(name)
        for each in ours:
            yield _declared(each, described, requires)


def _declared(entry_point: EntryPoint, described: Plugin, requires: tuple[str, ...]) -> PluginEntryPoint:
    plugin = replace(described, id=entry_point.name, entry_point=entry_point.value)
    return PluginEntryPoint(plugin, entry_point, requires)


def _damaged(distribution: Distribution, error: Exception) -> Iterator[PluginEntryPoint]:
    """Yield a distribution whose entry points cannot be read, if they seem to be ours and it has a name."""
    is_ours = not isinstance(error, UnicodeDecodeError) or GROUP_OF_ANY_MAJOR.encode() in error.object
    described, _ = _describe(distribution)
    if is_ours and described.distribution:
        note = f"its entry_points.txt cannot be read: {' '.join(str(error).split())}"
        yield PluginEntryPoint(replace(described, id=normalised(described.distribution), state="broken", note=note))


def _without_other_majors(found: Iterable[PluginEntryPoint]) -> list[PluginEntryPoint]:
    """Leave out what a distribution offers for other API majors where it offers the same plugin for ours."""
    found = list(found)
    ours = {each.order for each in found if each.api_major == API_MAJOR}
    return [each for each in found if each.api_major == API_MAJOR or each.order not in ours]


def _describe(distribution: Distribution | None) -> tuple[Plugin, tuple[str, ...]]:
    """Return a plugin without an id that says where it comes from, as far as can be read, and what that requires."""
    plugin, requires = Plugin(id=""), ()
    if distribution is None:
        return plugin, requires
    try:
        metadata = distribution.metadata  # parsed at every access, so read once
        plugin = replace(plugin, distribution=metadata["Name"], version=metadata["Version"])
        requires = tuple(metadata.get_all("Requires-Dist") or ())
        location, editable = _location(distribution)
        return replace(plugin, location=location, editable=editable), requires
    except Exception:  # noqa: BLE001 - damaged metadata says nothing about the code, which may well load
        return plugin, requires


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


_ON_CORE = re.compile(rf"{PROJECT}(?![\w.-])", re.IGNORECASE)  # and not on seqtrain-text
_NUMBERS = re.compile(r"\d+(\.\d+)*")
_USUAL_CLAUSE = re.compile(rf"(?P<operator>>=|<) *(?P<version>{_NUMBERS.pattern})")


def refused_requirement(requires: Iterable[str], *, installed: str) -> str:
    """
    Return the requirement that this core does not meet, such as "seqtrain>=2"; empty where it meets all.

    Args:
        requires: a distribution's requirements, on whatever (PEP 508).
        installed: the version of core.
    """
    for text in requires:
        if not _ON_CORE.match(text) or _is_plainly_met(text, installed):
            continue
        from packaging.requirements import Requirement  # noqa: PLC0415 - 30 ms, a quarter of what listing takes

        try:
            requirement = Requirement(text)
            applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        except ValueError:  # not a requirement at all, or a marker that compares nonsense; pip would not have taken it
            continue
        if applies and not requirement.specifier.contains(installed, prereleases=True):
            return f"{PROJECT}{requirement.specifier}"
    return ""


def _is_plainly_met(text: str, installed: str) -> bool:
    """Whether it is of the usual form, `seqtrain>=0.1,<1`, and met. False says nothing: packaging has to look."""
    if not _NUMBERS.fullmatch(installed):
        return False
    for clause in text[len(PROJECT) :].split(","):
        usual = _USUAL_CLAUSE.fullmatch(clause.strip())
        if usual is None or (usual["operator"] == ">=") != (_release(installed) >= _release(usual["version"])):
            return False
    return True


def _release(version: str) -> list[int]:
    """Return its numbers without closing zeros, so that 1 and 1.0 are equal."""
    numbers = [int(number) for number in version.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return numbers
