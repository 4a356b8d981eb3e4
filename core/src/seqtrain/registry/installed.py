"""A plugin as it was found on this machine: where it is from, and whether it can be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seqtrain.plugin import Component

State = Literal["ok", "slow", "disabled", "incompatible", "conflict", "broken"]


@dataclass(frozen=True, kw_only=True)
class BadRecord:
    """
    A component that its plugin offers and nobody can use, as its record is not right.

    Args:
        kind: its kind, as far as there is one.
        name: its short name, likewise.
        note: what is wrong, in one line that names the component.
    """

    kind: str
    name: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """
    An installed plugin.

    Args:
        id: the name of its entry point.
        distribution: what pip calls it; None where its metadata cannot be read.
        version: of the distribution.
        location: the folder it is installed in, or its project folder where `editable`.
        entry_point: its cheap module, as its entry point names it.
        editable: installed with `pip install --editable`.
        state: "ok"; "slow": usable, but imports something heavy while being listed; "disabled" by the user;
            "incompatible" with this core; "conflict": another plugin has its id; "broken": it fails to load, or no
            record of it is right. The module of a disabled, incompatible or conflicting plugin is not imported.
        note: why it is in that state, in one line without a full stop; empty when there is nothing to say.
        remedy: what to type about it, in sentences; empty when there is nothing to do.
        traceback: of the exception that broke it; empty where the note says it all.
        components: what it offers; empty where it is not usable.
        bad_records: what it offers in vain.
    """

    id: str
    distribution: str | None = None
    version: str | None = None
    location: str | None = None
    entry_point: str = ""
    editable: bool = False
    state: State = "ok"
    note: str = ""
    remedy: str = ""
    traceback: str = ""
    components: tuple[Component, ...] = ()
    bad_records: tuple[BadRecord, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether a run may use its components."""
        return self.state in ("ok", "slow")

    @property
    def where(self) -> str:
        """Its location, for people."""
        return f"{self.location or '?'}{' (editable)' if self.editable else ''}"

    @property
    def package(self) -> str:
        """What to name to pip."""
        return self.distribution or self.id

    @property
    def reinstall(self) -> str:
        """The command that installs it anew."""
        place = f"--editable {self.location}" if self.editable else self.package
        return f"pip install --force-reinstall {place}"

    @property
    def newer_or_none(self) -> str:
        """What to do where only its author can fix it."""
        return (
            f"Only its author can fix that: try `pip install --upgrade {self.package}`, "
            f"or remove it: `pip uninstall {self.package}`."
        )

    @property
    def remarks(self) -> list[str]:
        """What is wrong with it and what to type, one paragraph for each thing; none where all is well."""
        remarks = [f"{self.note}. {self.remedy}".rstrip()] if self.note else []
        if self.usable:
            remarks += [
                f"{each.note}. {self.newer_or_none} Its other components can be used." for each in self.bad_records
            ]
        return remarks

    def __str__(self) -> str:
        return f"plugin {self.id!r} ({self.distribution or 'unknown distribution'} {self.version or ''}".rstrip() + ")"
