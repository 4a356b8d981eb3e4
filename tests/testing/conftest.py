"""A plugin without fault, installed in a folder of its own, for tests that put one fault into it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_distributions import write_distribution

FILES = {
    "zoo_acme/__init__.py": '"""A package."""\n',
    "zoo_acme/plugin.py": '''
"""What it offers."""

from seqtrain.plugin import Component, hookimpl


@hookimpl
def seqtrain_components():
    """Offer a model."""
    yield Component(
        kind="model",
        name="zoo_rnn",
        ref="zoo_acme.model:RNN",
        config="zoo_acme.config:RNNConfig",
        summary="A recurrent network",
        presets="zoo_acme:presets.yaml",
    )
''',
    "zoo_acme/config.py": '''
"""Settings."""

from dataclasses import dataclass

from seqtrain.plugin import option


@dataclass(frozen=True, kw_only=True)
class RNNConfig:
    """Settings of the network."""

    hidden: int = option(256, help="size of the hidden state", ge=1)
''',
    "zoo_acme/model.py": '''
"""The network."""


class RNN:
    """A network."""

    def forward(self):
        """Run it."""
''',
    "zoo_acme/presets.yaml": "tiny: {summary: Small, config: {hidden: 8}}\n",
}


class Acme:
    """
    The plugin `zoo-acme`.

    Args:
        folder: what stands for site-packages.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in FILES.items():
            self.write(name, text)
        requires = ["seqtrain<1,>=0.1"]
        self._info = write_distribution(folder, "zoo-acme", ("zoo-acme", "zoo_acme.plugin"), requires=requires)

    def write(self, name: str, text: str) -> None:
        """Write a file below the folder."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.lstrip("\n"), encoding="utf-8")
        importlib.invalidate_caches()

    def change(self, file: str, old: str, new: str) -> None:
        """Put something else into a file of the package, or of its metadata."""
        name = f"{self._info.name if (self._info / file).exists() else 'zoo_acme'}/{file}"
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Acme]:
    """The plugin, on `sys.path`; what is imported of it is forgotten after the test."""
    folder = tmp_path / "site-packages"
    monkeypatch.syspath_prepend(str(folder))
    yield Acme(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "zoo_acme"]:
        del sys.modules[name]
