"""A plugin as it was found on this machine: where it is from, and whether it can be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seqtrain.plugin import Component

State = Literal["ok", "slow", "disabled", "incompatible", "conflict", "broken"]

DISABLE_VARIABLE = "SEQTRAIN_DISABLE_PLUGINS"


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
            "incompatible" with this core; "conflict": another plugin has its id; "broken": it fails to load.
            The module of a disabled, incompatible or conflicting plugin is not imported.
        note: why it is in that state, in one line; empty when ok.
        traceback: of the exception that broke it.
        components: what it offers; empty where it is not usable.
    """

    id: str
    distribution: str | None = None
    version: str | None = None
    location: str | None = None
    entry_point: str = ""
    editable: bool = False
    state: State = "ok"
    note: str = ""
    traceback: str = ""
    components: tuple[Component, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether a run may use its components."""
        return self.state in ("ok", "slow")

    @property
    def where(self) -> str:
        """Its location, for people."""
        return f"{self.location or '?'}{' (editable)' if self.editable else ''}"

    @property
    def remedy(self) -> str:
        """What to do about its state, as a sentence; empty when ok."""
        package = self.distribution or self.id
        return {
            "ok": "",
            "slow": "Its author can move those imports into the modules of its components.",
            "disabled": f"To use it, take {self.id!r} out of {DISABLE_VARIABLE}.",
            "incompatible": f"Try `pip install --upgrade seqtrain {package}`, or remove it: `pip uninstall {package}`.",
            "conflict": f"Uninstall one of the two: `pip uninstall {package}`, or the other.",
            "broken": f"`seqtrain plugins show {self.id}` prints the traceback; "
            f"reinstall it, or remove it: `pip uninstall {package}`.",
        }[self.state]

    def __str__(self) -> str:
        return f"plugin {self.id!r} ({self.distribution or 'unknown distribution'} {self.version or ''}".rstrip() + ")"
