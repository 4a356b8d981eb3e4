"""Everything that is wrong with a configuration, collected so that it can be reported in one go."""

from __future__ import annotations

from collections.abc import Iterable

from seqtrain.errors import ConfigError, PluginError, did_you_mean


class Problems:
    """
    Collects what is wrong; `raise_any` then reports all of it.

    Errors of plugins are kept apart: when there is nothing else, they are what the command ends with.
    """

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.keys: list[str] = []
        self.plugin_messages: list[str] = []

    def add(self, place: str, key: str, what: str) -> None:
        """
        Add a problem.

        Args:
            place: where it is, such as "train.yaml:14:3"; empty if nothing was written.
            key: the setting, such as "model.dropout"; left out where the place names it already.
            what: what is wrong, and what was allowed.
        """
        self.keys.append(key)
        if place.startswith(f"argument {key}="):
            key = ""
        _append(self.messages, ": ".join(part for part in (place, key, what) if part))

    def concern(self, section: str) -> bool:
        """Say whether something is wrong within a section, so that what else it says may only follow from that."""
        return any(key == section or key.startswith(f"{section}.") for key in self.keys)

    def add_plugin_error(self, place: str, error: PluginError) -> None:
        """Add what the registry said about a component."""
        _append(self.plugin_messages, f"{place}: {error}")

    def raise_any(self) -> None:
        """
        Report what was collected, if anything.

        Raises:
            ConfigError: a setting is wrong; the plugins' errors are listed too.
            PluginError: only plugins are at fault.
        """
        if self.messages:
            raise ConfigError(_listed(self.messages + self.plugin_messages))
        if self.plugin_messages:
            raise PluginError(_listed(self.plugin_messages))


def _listed(messages: list[str]) -> str:
    if len(messages) == 1:
        return messages[0]
    return "\n  ".join([f"{len(messages)} problems in the configuration:", *messages])


def _append(messages: list[str], message: str) -> None:
    if message not in messages:
        messages.append(message)


def did_you_mean_or(name: str, known: Iterable[str]) -> str:
    """Return the nearest known name as a question, or else all of them."""
    names = list(known)
    return did_you_mean(name, names) or f" It has: {', '.join(names) or 'none'}."
