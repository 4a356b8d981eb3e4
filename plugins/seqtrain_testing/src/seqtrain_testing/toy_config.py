"""The settings of the toy parts."""

from __future__ import annotations

from dataclasses import dataclass

from seqtrain.plugin import option


@dataclass(frozen=True, kw_only=True)
class ToyTaskConfig:
    """What there is to learn."""

    form: str = option(
        "translation", help="what batches look like; see seqtrain_testing.samples",
        choices=("translation", "lm", "masked_lm", "classify"),
    )  # fmt: skip
    examples: int = option(40, help="examples to train on", unit="examples", ge=1)


@dataclass(frozen=True, kw_only=True)
class ToyModelConfig:
    """A model small enough to be trained in a test."""

    dim: int = option(8, help="size of an embedding", ge=1)
    dropout: float = option(0.2, help="share of features set to zero in training", ge=0, lt=1)


@dataclass(frozen=True, kw_only=True)
class ToyOptimizerConfig:
    """Plain gradient descent with momentum, so that there is state."""

    lr: float = option(0.05, help="learning rate", gt=0)


@dataclass(frozen=True, kw_only=True)
class StopAtConfig:
    """Where to interrupt a run."""

    step: int = option(help="updates after which the run stops as if it had been interrupted", unit="steps", ge=1)
