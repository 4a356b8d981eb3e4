"""
Plugins of one's own to discover (`zoo`), and toy runs.

Some of these tests run where there is no torch, so nothing here may import it but for a fixture that needs it.
"""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Iterator
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fake_distributions import GROUP, write_distribution
from seqtrain.registry import trial
from seqtrain.registry.discovery import discover
from seqtrain.registry.installed import Plugin
from seqtrain.registry.registry import Registry

if TYPE_CHECKING:
    from toy_run import Toy

OFFER = """
from seqtrain.plugin import Component, hookimpl

@hookimpl
def seqtrain_components():
    yield Component(kind="model", name={name!r}, ref="zoo_code:make", summary="A model of the zoo")
"""


class Zoo:
    """A site-packages folder of one's own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def install(
        self,
        plugin_id: str,
        code: str | None = None,
        *,
        distribution: str | None = None,
        version: str = "1.0",
        group: str = GROUP,
        requires: tuple[str, ...] = (),
    ) -> str:
        """Install a plugin whose module has this code (by default: one model named like the plugin); return the module."""
        distribution = distribution or f"zoo-{plugin_id}"
        module = "zoo_" + "".join(letter if letter.isalnum() else "_" for letter in distribution) + "_plugin"
        self.write(f"{module}.py", OFFER.format(name=plugin_id) if code is None else code)
        write_distribution(
            self.path, distribution, (plugin_id, module), version=version, group=group, requires=requires
        )
        return module

    def write(self, name: str, text: str) -> Path:
        """Write a file into the folder."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        importlib.invalidate_caches()
        return file

    def entry_points(self) -> list[EntryPoint]:
        """Return what the plugins in the folder register, and nothing else that is installed."""
        return [each for found in distributions(path=[str(self.path)]) for each in found.entry_points]

    def discover(self, **options: object) -> Registry:
        """Discover the plugins in the folder."""
        return discover(**{"environ": {}, "entry_points": self.entry_points(), **options})  # type: ignore[arg-type]

    def only(self, **options: object) -> Plugin:
        """Discover the one plugin in the folder."""
        (plugin,) = self.discover(**options).plugins
        return plugin


@pytest.fixture(autouse=True)
def _plugins_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no process to list a plugin; `test_trial.py` is about these."""
    monkeypatch.setattr(trial, "can_try", lambda: False)


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """An empty folder of plugins on `sys.path`; what is imported from it is forgotten after the test."""
    path = tmp_path / "zoo"
    path.mkdir()
    monkeypatch.syspath_prepend(str(path))
    yield Zoo(path)
    for name, module in list(sys.modules.items()):
        if str(tmp_path) in str(getattr(module, "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """Make toy trainers in a temporary folder."""
    from toy_run import Toy, ToyRegistry  # noqa: PLC0415 - imports torch, which not every Python here has

    return Toy(tmp_path, ToyRegistry())
