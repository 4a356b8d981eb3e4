"""Which plugins the user wants, by options of `seqtrain` and by variables of the environment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from seqtrain.errors import did_you_mean

DISABLE_VARIABLE = "SEQTRAIN_DISABLE_PLUGINS"
ALLOW_VARIABLE = "SEQTRAIN_PLUGINS"
STRICT_VARIABLE = "SEQTRAIN_PLUGIN_STRICT"
CORE = "core"  # the plugin whose components come with seqtrain itself

_NOT_STRICT = ("", "0", "false", "no", "off")


@dataclass(frozen=True, kw_only=True)
class PluginFilters:
    """
    What decides, besides the plugins themselves, which of them are used.

    Args:
        no_plugin: ids given as `--no-plugin`.
        no_plugins: `--no-plugins`: nothing but core's own components.
        disabled: ids in `SEQTRAIN_DISABLE_PLUGINS`.
        allowed: ids in `SEQTRAIN_PLUGINS`, the only ones to use besides core; none at all where that is not set.
        strict: `--strict-plugins` or `SEQTRAIN_PLUGIN_STRICT`: a plugin with anything wrong ends the command.
    """

    no_plugin: tuple[str, ...] = ()
    no_plugins: bool = False
    disabled: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    strict: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> PluginFilters:
        """Read the variables; ids are separated by commas or blanks."""
        return cls(
            disabled=_ids(environ.get(DISABLE_VARIABLE, "")),
            allowed=_ids(environ.get(ALLOW_VARIABLE, "")),
            strict=environ.get(STRICT_VARIABLE, "").strip().lower() not in _NOT_STRICT,
        )

    def with_options(
        self, *, no_plugin: Iterable[str] = (), no_plugins: bool = False, strict: bool = False
    ) -> PluginFilters:
        """Add what the command line says; each `no_plugin` may hold several ids."""
        ids = tuple(each for text in no_plugin for each in _ids(text))
        return replace(self, no_plugin=ids, no_plugins=no_plugins, strict=self.strict or strict)

    def to_environment(self) -> dict[str, str]:
        """Return the variables that make a child process use the same plugins, to be laid over its environment."""
        return {
            DISABLE_VARIABLE: ",".join((*self.disabled, *self.no_plugin)),
            ALLOW_VARIABLE: CORE if self.no_plugins else ",".join(self.allowed),
            STRICT_VARIABLE: "1" if self.strict else "",
        }

    def why_off(self, plugin_id: str) -> tuple[str, str]:
        """
        Say which switches are against a plugin, and what to type to undo just these.

        Returns:
            A note without a full stop and a remedy in sentences; both empty where nothing is against it.
        """
        reasons, remedies = [], []
        if plugin_id in self.no_plugin:
            reasons.append(f"--no-plugin {plugin_id}")
            remedies.append(f"leave out `--no-plugin {plugin_id}`")
        if self.no_plugins and plugin_id != CORE:
            reasons.append("--no-plugins")
            remedies.append("leave out `--no-plugins`")
        if plugin_id in self.disabled:
            reasons.append(f"{DISABLE_VARIABLE}={','.join(self.disabled)}")
            remedies.append(_set(DISABLE_VARIABLE, [each for each in self.disabled if each != plugin_id]))
        if self.allowed and plugin_id not in (CORE, *self.allowed):
            reasons.append(f"{ALLOW_VARIABLE}={','.join(self.allowed)}, which does not name it")
            remedies.append(_set(ALLOW_VARIABLE, [*self.allowed, plugin_id]))
        if not reasons:
            return "", ""
        return f"switched off by {' and by '.join(reasons)}", f"To use it, {' and '.join(remedies)}."

    def unknown_ids(self, installed: Iterable[str]) -> list[str]:
        """Return a warning for each id that no installed plugin has: most likely it is misspelled."""
        known = set(installed)
        named = {"--no-plugin": self.no_plugin, DISABLE_VARIABLE: self.disabled, ALLOW_VARIABLE: self.allowed}
        return [
            f"{switch} names {each!r}, and no installed plugin has that id.{did_you_mean(each, known)}"
            for switch, ids in named.items()
            for each in ids
            if each not in known
        ]


def _ids(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(re.findall(r"[^\s,]+", text)))


def _set(variable: str, ids: Iterable[str]) -> str:
    value = ",".join(ids)
    return f"`export {variable}={value}`" if value else f"`unset {variable}`"
