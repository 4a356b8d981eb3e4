"""A toy run: small numbers, real parts. Everything core does to a task, a model and a criterion can be watched on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from seqtrain.batch import Batch
from seqtrain.build import build_trainer
from seqtrain.cadence import Every
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
from seqtrain.progress_bar import NoProgressBar
from seqtrain.protocols import DatasetPart, ModelSpec
from seqtrain.run_folder import RunFolder
from seqtrain.task import Task
from seqtrain.trainer import Trainer

VOCABULARY, PADDING = 11, 0


@dataclass(frozen=True)
class NoSettings:
    """A component without settings."""


class ToyDataset:
    """Sentences of 1 to 7 tokens, made from a seed; the model is to repeat each token."""

    fingerprint = "toy"

    def __init__(self, size: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._rows = [rng.integers(1, VOCABULARY, size=rng.integers(1, 8)) for _ in range(size)]
        self.parts = [DatasetPart(0, size)]

    def __len__(self) -> int:
        return len(self._rows)

    def lengths(self, start: int, stop: int) -> np.ndarray:
        return np.array([[len(row)] for row in self._rows[start:stop]])

    def collate(self, indices: Sequence[int]) -> Batch:
        rows = [torch.from_numpy(self._rows[index]) for index in indices]
        tokens = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING)
        real = sum(map(len, rows))
        return Batch(
            ids=torch.as_tensor(np.asarray(indices)),
            net_input={"tokens": tokens},
            target=tokens,
            num_targets=real,
            num_tokens=real,
            num_positions=tokens.numel(),
        )

    def describe(self, index: int) -> str:
        return f"toy:{index + 1}"


class ToyTask(Task):
    higher_is_better = frozenset({"accuracy"})

    def __init__(self, config: object) -> None:
        self._data = {"train": ToyDataset(50, 1), "valid": ToyDataset(9, 2)}

    def prepare(self, artifacts: Path, cache: Path) -> None: ...

    def load(self, artifacts: Path, cache: Path) -> None: ...

    @property
    def model_spec(self) -> ModelSpec:
        return ModelSpec(vocab_size=VOCABULARY, padding=PADDING, max_positions=8)

    def splits(self) -> Sequence[str]:
        return ("train", "valid")

    def dataset(self, split: str) -> ToyDataset:
        return self._data[split]

    def measure(self, split: str, models: Sequence[nn.Module]) -> dict[str, float]:
        batch = self.dataset(split).collate(range(9))
        with torch.no_grad():
            hits = (models[0](**batch.net_input).argmax(-1) == batch.target)[batch.target != PADDING]
        return {"accuracy": float(hits.float().mean())}

    def predict(self, models: Sequence[nn.Module], lines: Iterable[str]) -> Iterator[str]:
        yield from lines


class ToyModel(nn.Module):
    def __init__(self, config: object, *, spec: ModelSpec) -> None:
        super().__init__()
        self.embedding = nn.Embedding(spec.vocab_size, 6)
        self.dropout = nn.Dropout(0.3)
        self.output = nn.Linear(6, spec.vocab_size)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.output(self.dropout(self.embedding(tokens)))


class ToyCriterion:
    def __init__(self, config: object, *, spec: ModelSpec) -> None:
        self._padding = spec.padding

    def __call__(self, model: nn.Module, sample: Batch, /) -> tuple[torch.Tensor, int, dict[str, Any]]:
        logits = model(**sample.net_input)
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), sample.target.flatten(), ignore_index=self._padding, reduction="sum"
        )
        return loss, sample.num_targets, {"loss": loss.detach(), "num_targets": sample.num_targets}


def toy_adam(config: object, *, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.05)


def toy_scheduler(config: object, *, total_steps: int | None) -> Callable[[int], float]:
    return lambda step: 1.0 if step < 10 else 10.0 / step


class ToyRegistry:
    """Has the toy's parts, and whatever a test adds."""

    plugins = ()

    def __init__(self) -> None:
        self.parts: dict[tuple[str, str], Any] = {
            ("task", "toy"): ToyTask,
            ("model", "toy"): ToyModel,
            ("criterion", "toy"): ToyCriterion,
            ("optimizer", "toy"): toy_adam,
            ("lr_scheduler", "toy"): toy_scheduler,
        }

    def get(self, kind: str, name: str) -> SimpleNamespace:
        if (kind, name) not in self.parts:
            raise PluginError(f"no {kind} {name}")
        return SimpleNamespace(load=lambda: self.parts[kind, name])


@dataclass
class Toy:
    """Makes toy trainers; `registry` may be changed first."""

    folder: Path
    registry: ToyRegistry

    def config(self, **changes: Any) -> RunConfig:
        """Return a configuration; `trainer`, `data`, `checkpoint` and `logging` take dicts of fields."""
        sections = {
            "trainer": TrainerConfig(max_epochs=3, clip_norm=1.0),
            "data": DataConfig(max_tokens=20, prefetch=0, cache_dir=str(self.folder / "cache")),
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
        return build_trainer(self.config(**changes), self.registry, folder, NoProgressBar())  # type: ignore[arg-type]


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """Make toy trainers in a temporary folder."""
    return Toy(tmp_path, ToyRegistry())
