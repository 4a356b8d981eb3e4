"""What a new plugin and its parts are called, and which names there is a reason to refuse."""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass
from importlib.util import find_spec

from seqtrain.errors import UsageError
from seqtrain.plugin import PROJECT
from seqtrain.registry.first_party import FIRST_PARTY
from seqtrain.registry.registry import Registry

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_COMPONENT = re.compile(r"[a-z][a-z0-9_-]*")

RESERVED_IDS = {PROJECT: PROJECT, "core": PROJECT, **{name: f"{PROJECT}-{name}" for name in FIRST_PARTY}}
"""Plugin ids of our own, with the distribution that may use them."""


@dataclass(frozen=True, kw_only=True)
class Names:
    """
    The names of a new plugin.

    Args:
        distribution: what pip installs, such as "acme-rnn"; the plugin id and the folder are the same.
        package: what Python imports, such as "acme_rnn".
        component: what users write in a configuration, such as "rnn".
    """

    distribution: str
    package: str
    component: str

    @classmethod
    def of(cls, distribution: str, component: str | None = None) -> Names:
        """
        Derive the names from that of the distribution.

        The component is what follows the first dash, or the whole where there is none; `component` names it otherwise.

        Raises:
            UsageError: a name is not of the form that is allowed.
        """
        if not _NAME.fullmatch(distribution):
            raise UsageError(
                f"{distribution!r} cannot be a plugin's name. It is lower-case letters and digits, in words with one "
                "'-' between them, and starts with a letter, such as acme-rnn."
            )
        package = distribution.replace("-", "_")
        component = component or (distribution.partition("-")[2] or distribution).replace("-", "_")
        if not _COMPONENT.fullmatch(component):
            raise UsageError(
                f"{component!r} cannot be a component's name. It is lower-case letters, digits, '_' and '-', and "
                "starts with a letter, such as rnn. Choose one with --component NAME."
            )
        return cls(distribution=distribution, package=package, component=component)

    @property
    def stem(self) -> str:
        """What the names of classes begin with: `Rnn`, of RnnModel and RnnConfig."""
        return "".join(word.capitalize() for word in re.split(r"[_-]+", self.component))


def refuse_taken(names: Names, kind: str, registry: Registry) -> None:
    """
    Refuse names that belong to somebody else.

    Raises:
        UsageError: the plugin or its package would hide another, or the component's short name would be ambiguous.
    """
    distribution, package, component = names.distribution, names.package, names.component
    if distribution in RESERVED_IDS or distribution in RESERVED_IDS.values():
        raise UsageError(f"The name {distribution!r} belongs to seqtrain itself. Put one of your own before it: my-...")
    for plugin in registry.plugins:
        if distribution in (plugin.id, plugin.distribution):
            raise UsageError(
                f"{distribution!r} is installed already: {plugin}. Choose another name, or uninstall that one."
            )
    if keyword.iskeyword(package) or package in sys.stdlib_module_names or _is_importable(package):
        raise UsageError(
            f"The package of {distribution!r} would be called {package!r}, and Python has one of that name. "
            "Choose another name."
        )
    taken = [each for each in registry.components(kind) if each.component.name == component]
    if taken:
        raise UsageError(
            f"The {kind} {component!r} is taken, by {taken[0].plugin}; with two of them nobody could write the short "
            "name any more. Choose another with --component NAME."
        )


def _is_importable(package: str) -> bool:
    spec = find_spec(package)
    return spec is not None and spec.origin is not None  # a folder that happens to lie on the path has none
