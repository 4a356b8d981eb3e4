"""A toy run: small numbers, real parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
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
from seqtrain.registry.installed import Plugin
from seqtrain.registry.registry import RegisteredComponent, Registry
from seqtrain.run.folder import RunFolder
from seqtrain.trainer import Trainer
from seqtrain.training.cadence import Every
from seqtrain_testing.runs import make_trainer
from seqtrain_testing.samples import PADDING
from seqtrain_testing.toy import ToyCriterion, ToyModel, ToyTask
from seqtrain_testing.toy_config import ToyModelConfig, ToyTaskConfig


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
