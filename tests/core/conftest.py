"""Plugins of one's own to discover (`zoo`), and a toy run: small numbers, real parts."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from seqtrain.config.option import Selection
from seqtrain.config.schema import (
    CheckpointConfig,
    DataConfig,
    DistributedConfig,
    LoggingConfig,
    RunConfig,
    TrainerConfig,
)
from seqtrain.errors import PluginError
from seqtrain.plugin import Component
from seqtrain.protocols import ModelSpec
from seqtrain.registry.discovery import discover
from seqtrain.registry.installed import Plugin
from seqtrain.registry.registry import RegisteredComponent, Registry
from seqtrain.run.folder import RunFolder
from seqtrain.trainer import Trainer
from seqtrain.training.cadence import Every
from seqtrain_testing.runs import make_trainer
from seqtrain_testing.samples import PADDING
from seqtrain_testing.toy import ToyCriterion, ToyModel, ToyTask
from seqtrain_testing.toy_config import ToyModelConfig, ToyTaskConfig

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
        group: str = "seqtrain.plugins.v1",
        requires: tuple[str, ...] = (),
    ) -> str:
        """Install a plugin whose module has this code (by default: one model named like the plugin); return the module."""
        distribution = distribution or f"zoo-{plugin_id}"
        module = "zoo_" + "".join(letter if letter.isalnum() else "_" for letter in distribution) + "_plugin"
        self.write(f"{module}.py", OFFER.format(name=plugin_id) if code is None else code)
        info = self.path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        metadata = [f"Name: {distribution}", f"Version: {version}", *(f"Requires-Dist: {each}" for each in requires)]
        (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *metadata, ""]))
        with (info / "entry_points.txt").open("a") as file:
            file.write(f"[{group}]\n{plugin_id} = {module}\n")
        importlib.invalidate_caches()
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


@dataclass(frozen=True)
class NoSettings:
    """A component without settings."""


class MeasuredTask(ToyTask):
    """The toy task, to continue a text, with a measure of its own."""

    higher_is_better = frozenset({"accuracy"})

    def __init__(self, config: object) -> None:
        super().__init__(ToyTaskConfig(form="lm", examples=50))

    def measure(self, split: str, models: Sequence[nn.Module]) -> dict[str, float]:
        data = self.dataset(split)
        batch = data.collate(np.arange(len(data)))
        with torch.no_grad():
            hits = (models[0](**batch.net_input).argmax(-1) == batch.target)[batch.target != PADDING]
        return {"accuracy": float(hits.float().mean())}


def toy_model(config: object, *, spec: ModelSpec) -> nn.Module:
    """Make the toy model with its default settings."""
    return ToyModel(ToyModelConfig(), spec=spec)


def toy_adam(config: object, *, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.05)


def toy_scheduler(config: object, *, total_steps: int | None) -> Callable[[int], float]:
    return lambda step: 1.0 if step < 10 else 10.0 / step


@dataclass(frozen=True)
class ToyPart(RegisteredComponent):
    """A part that is there already."""

    part: Any = None

    def load(self) -> Any:
        return self.part


class ToyRegistry(Registry):
    """Has the toy's parts, and whatever a test adds."""

    def __init__(self) -> None:
        super().__init__(())
        self.parts: dict[tuple[str, str], Any] = {
            ("task", "toy"): MeasuredTask,
            ("model", "toy"): toy_model,
            ("criterion", "toy"): ToyCriterion,
            ("optimizer", "toy"): toy_adam,
            ("lr_scheduler", "toy"): toy_scheduler,
        }

    def get(self, kind: str, name: str) -> ToyPart:
        if (kind, name) not in self.parts:
            raise PluginError(f"no {kind} {name}")
        return ToyPart(Component(kind=kind, name=name, ref="toy:part"), Plugin(id="toy"), self.parts[kind, name])

    def in_order(self, selections: Iterable[Selection]) -> list[Selection]:
        places = list(self.parts)
        return sorted(selections, key=lambda each: places.index((each.kind, each.name)))


@dataclass
class Toy:
    """Makes toy trainers; `registry` may be changed first."""

    folder: Path
    registry: ToyRegistry

    def config(self, **changes: Any) -> RunConfig:
        """Return a configuration; `trainer`, `data`, `checkpoint` and `logging` take dicts of fields."""
        sections = {
            "trainer": TrainerConfig(max_epochs=3, clip_norm=1.0),
            "data": DataConfig(max_tokens=30, prefetch=0, cache_dir=str(self.folder / "cache")),
            "checkpoint": CheckpointConfig(save=Every(steps=5), keep_last=100),
            "logging": LoggingConfig(every=Every(steps=4)),
        }
        for name, fields in changes.items():
            sections[name] = dataclasses.replace(sections[name], **fields) if name in sections else fields
        kinds = ("task", "model", "criterion", "optimizer", "lr_scheduler")
        chosen = {kind: Selection(kind, "toy", NoSettings()) for kind in kinds}
        return RunConfig(**{**chosen, "distributed": DistributedConfig(device="cpu"), "trackers": (), **sections})

    def trainer(self, run: str = "run", **changes: Any) -> Trainer:
        """Build a trainer for the run of that name."""
        folder = RunFolder(self.folder / run)
        folder.create()
        return make_trainer(self.config(**changes), self.registry, folder)  # type: ignore[arg-type]


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """Make toy trainers in a temporary folder."""
    return Toy(tmp_path, ToyRegistry())
