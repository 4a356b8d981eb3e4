"""The toy parts: the smallest task, model, criterion, optimizer and scheduler that make a real run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seqtrain.batch import Batch
from seqtrain.plugin import hookimpl
from seqtrain.protocols import DatasetPart, LoggingOutput, ModelSpec
from seqtrain.registry.component import NoConfig
from seqtrain.task import Task
from seqtrain.trainer import Trainer
from seqtrain_testing.samples import Example, Form, make_batch, make_examples, model_spec
from seqtrain_testing.toy_config import StopAtConfig, ToyModelConfig, ToyOptimizerConfig, ToyTaskConfig


class ToyDataset:
    """Examples in memory."""

    def __init__(self, form: Form, examples: Sequence[Example]) -> None:
        self._form, self._examples = form, examples
        self.fingerprint = hashlib.sha256(repr((form, examples)).encode()).hexdigest()
        self.parts = [DatasetPart(0, len(examples))]

    def __len__(self) -> int:
        return len(self._examples)

    def lengths(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the lengths of texts and targets, (stop - start, 2)."""
        return np.array([[len(each.text), len(each.target)] for each in self._examples[start:stop]], np.int64)

    def collate(self, indices: NDArray[np.int64]) -> Batch:
        """Make a batch."""
        batch = make_batch(self._form, [self._examples[index] for index in indices])
        return replace(batch, ids=torch.from_numpy(np.asarray(indices, np.int64)))

    def describe(self, index: int) -> str:
        """Name an example by its number."""
        return f"toy:{index + 1}"


class ToyTask(Task):
    """Examples made from a seed; nothing to prepare and nothing to keep."""

    def __init__(self, config: ToyTaskConfig) -> None:
        self._form = cast("Form", config.form)
        self._datasets = {
            split: ToyDataset(self._form, make_examples(self._form, count, seed=seed))
            for seed, (split, count) in enumerate({"train": config.examples, "valid": 6}.items())
        }

    def prepare(self, artifacts: Path, cache: Path) -> None:
        """Do nothing."""

    def load(self, artifacts: Path, cache: Path) -> None:
        """Do nothing."""

    @property
    def model_spec(self) -> ModelSpec:
        """Sizes of the toy data."""
        return model_spec(self._form)

    def splits(self) -> Sequence[str]:
        """Return "train" and "valid"."""
        return list(self._datasets)

    def dataset(self, split: str) -> ToyDataset:
        """Return the examples of a split."""
        return self._datasets[split]

    def predict(self, models: Sequence[nn.Module], lines: Iterable[str]) -> Iterator[str]:
        """Return each line as it is."""
        yield from lines


class ToyModel(nn.Module):
    """Each position sees its own token and, where there is a source, the mean of its tokens."""

    def __init__(self, config: ToyModelConfig, *, spec: ModelSpec) -> None:
        super().__init__()
        self.padding, self.is_classifier = spec.padding, spec.num_classes is not None
        self.embedding = nn.Embedding(spec.vocab_size, config.dim)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(config.dim, spec.num_classes or spec.vocab_size)

    @property
    def output_projection(self) -> nn.Linear:
        """The layer that turns features into logits."""
        return self.output

    def forward(
        self,
        tokens: Tensor | None = None,
        source_tokens: Tensor | None = None,
        prev_output_tokens: Tensor | None = None,
        features_only: bool = False,
    ) -> Tensor:
        """Return logits, (B, T, V), or (B, C) for labels; or the features they are made from."""
        read = tokens if prev_output_tokens is None else prev_output_tokens
        assert read is not None
        features: Tensor = self._mean(read) if self.is_classifier else self.embedding(read)
        if source_tokens is not None:
            features = features + self._mean(source_tokens)[:, None]
        features = self.dropout(features)
        return features if features_only else self.output(features)

    def _mean(self, tokens: Tensor) -> Tensor:
        real = (tokens != self.padding)[..., None]
        mean: Tensor = (self.embedding(tokens) * real).sum(1) / real.sum(1)
        return mean


class LogitsOnly(nn.Module):
    """A model that gives logits and nothing else, around one that could give features."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, **net_input: Tensor) -> Tensor:
        """Return the inner model's logits."""
        logits: Tensor = self.inner(**net_input)
        return logits


class ToyCriterion:
    """Cross entropy summed over real targets."""

    def __init__(self, config: NoConfig, *, spec: ModelSpec) -> None:
        self._ignored = -1 if spec.num_classes is not None else spec.padding

    def __call__(self, model: nn.Module, sample: Batch, /) -> tuple[Tensor, int, LoggingOutput]:
        """Return the loss, the number of targets, and both to log."""
        logits = model(**sample.net_input)
        loss = nn.functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]).float(),
            sample.target.flatten(),
            ignore_index=self._ignored,
            reduction="sum",
        )
        return loss, sample.num_targets, {"loss": loss.detach(), "num_targets": sample.num_targets}


def toy_optimizer(config: ToyOptimizerConfig, *, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Make SGD with momentum."""
    return torch.optim.SGD(parameters, lr=config.lr, momentum=0.9)


class ToyLRScheduler:
    """Falls with the root of the step."""

    def __init__(self, config: NoConfig, *, total_steps: int | None) -> None:
        self._config = config

    def __call__(self, step: int, /) -> float:
        """Return 1 / sqrt(step)."""
        return float(step**-0.5)


class StopAt:
    """Stops a run after a step, as Ctrl-C would."""

    def __init__(self, config: StopAtConfig) -> None:
        self._step = config.step

    @hookimpl
    def seqtrain_step_end(self, trainer: Any) -> None:
        """Stop at the step."""
        assert isinstance(trainer, Trainer)
        if trainer.progress.step == self._step:
            trainer.stop(f"interrupted at step {self._step}", interrupted=True)
