"""Whether a plugin's requirements admit the core that is installed. pip sees to it, but can be told not to."""

from __future__ import annotations

import re
from collections.abc import Iterable

from seqtrain.plugin import PROJECT

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
