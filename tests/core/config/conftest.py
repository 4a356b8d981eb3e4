"""A small plugin with settings of every type, written as a package of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seqtrain.config.resolve import Resolved, resolve
from seqtrain.plugin import Component
from seqtrain.registry.installed import Plugin
from seqtrain.registry.registry import Registry

_CONFIG = '''
from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal

from seqtrain.plugin import Every, Selection, option


class Norm(Enum):
    PRE = "pre"
    POST = "post"


@dataclass(frozen=True, kw_only=True)
class Generation:
    beam: int = option(5, help="beam width", unit="hypotheses", ge=1)
    lenpen: float = option(1.0, help="length penalty")


@dataclass(frozen=True, kw_only=True)
class Split:
    path: str = option(help="file")
    weight: float = option(1.0, help="weight", gt=0)


@dataclass(frozen=True, kw_only=True)
class CopyConfig:
    train: str | tuple[str, ...] | None = option(None, help="training text; default: built in")
    valid: str | dict[str, str] | None = option(None, help="validation text")
    source_lang: str = option("en", help="source language")
    target_lang: str | None = option(None, help="target language")
    tokenizer: Selection | None = option("bpe", component="tokenizer", help="how text becomes tokens")
    generation: Generation = option(default_factory=lambda: Generation(beam=4), help="decoding")
    corpora: tuple[Split, ...] = option((), help="more data")


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    hidden_dim: int = option(512, help="model size", unit="units", ge=1)
    heads: int = option(8, help="attention heads", ge=1)
    dropout: float = option(0.1, help="dropout", ge=0, lt=1)
    norm: Norm = option(Norm.POST, help="where the normalisation is")
    share: bool = option(False, help="share embeddings")

    def __post_init__(self) -> None:
        if self.hidden_dim % self.heads:
            raise ValueError(f"hidden_dim ({self.hidden_dim}) must be a multiple of heads ({self.heads})")


@dataclass(frozen=True, kw_only=True)
class LSTMConfig:
    hidden_dim: int = option(256, help="hidden size", ge=1)
    dropout: float = option(0.3, help="dropout", ge=0, lt=1)


@dataclass(frozen=True, kw_only=True)
class EverythingConfig:
    """One field of every type there is."""

    count: int = option(3, help="h", ge=0)
    ratio: float = option(0.5, help="h")
    word: str = option("x", help="h")
    maybe_word: str | None = option(None, help="h")
    flag: bool = option(True, help="h")
    folder: Path = option(Path("a/b"), help="h")
    maybe_folder: Path | None = option(None, help="h")
    mode: Literal["fast", "slow", 3] = option("fast", help="h")
    level: str = option("low", help="h", choices=("low", "high"))
    norm: Norm = option(Norm.PRE, help="h")
    names: list[str] = option(default_factory=list, help="h")
    numbers: tuple[int, ...] = option((1, 2), help="h", ge=0)
    betas: tuple[float, float] = option((0.9, 0.98), help="h")
    weights: dict[str, float] = option(default_factory=dict, help="h")
    every: Every = option(default_factory=lambda: Every(steps=10), help="h")
    generation: Generation | None = option(None, help="h")
    number_or_word: int | str = option(1, help="h")
    anything: Any = option(None, help="h")
    settings: dict[str, Any] = option(default_factory=lambda: {"a": {"b": 1}}, help="h")
    limit: float = option(1.0, help="h", ge=0, allow_inf=True)
    horizon: float = math.inf
    corpus: Any = option(None, help="h", is_path=True)
    splits: dict[str, Split] = option(default_factory=dict, help="h")


@dataclass(frozen=True, kw_only=True)
class NeedyConfig:
    """What must be set."""

    tokenizer: Selection = option(component="tokenizer", help="how text becomes tokens")
    other: Selection = option("char", component="tokenizer", help="another")
    generation: Generation = option(help="decoding")
    size: int = option(help="size")
    upper: float = option(0.5, help="h", le=1)
    below: float = option(0.5, help="h", lt=1)


@dataclass(frozen=True, kw_only=True)
class StrangeConfig:
    """Of a type that has no text form."""

    numbers: set[int] = option(default_factory=set, help="h")


@dataclass(frozen=True, kw_only=True)
class AdamConfig:
    lr: float = option(1e-3, help="learning rate", gt=0)


@dataclass(frozen=True, kw_only=True)
class FixedConfig:
    warmup: int = option(0, help="steps of warm-up", unit="steps", ge=0)


@dataclass(frozen=True, kw_only=True)
class BPEConfig:
    vocab_size: int = option(8000, help="pieces", unit="pieces", ge=10)


@dataclass(frozen=True, kw_only=True)
class CharConfig:
    lowercase: bool = option(False, help="lower the case")


@dataclass(frozen=True, kw_only=True)
class EMAConfig:
    decay: float = option(0.999, help="decay", gt=0, lt=1)
    start: int = option(0, help="first step", ge=0)


@dataclass(frozen=True, kw_only=True)
class TensorBoardConfig:
    """Nothing to set."""
'''

_RECIPE = """
task:
  source_lang: no
model:
  name: transformer/tiny
  dropout: 0.3
criterion: {name: nll}
optimizer:
  name: adam
  lr: 5e-4
lr_scheduler: {name: fixed}
trainer:
  max_epochs: 7
  validate: {epochs: 2}
  patience: 4
  on_bad_step: skip
callbacks:
  ema: {decay: 0.99}
"""

_BUILTIN_RECIPE = """
trainer: {max_steps: 100}
"""

_PRESETS = """
tiny:
  summary: for tests
  aliases: [nano]
  config: {hidden_dim: 64, heads: 4, dropout: 0.2}
big:
  summary: large
  config: {hidden_dim: 1024, heads: 16}
"""


def part(kind: str, name: str, config: str | None, **resources: str) -> Component:
    reference = None if config is None else f"acme_parts.config:{config}"
    return Component(kind=kind, name=name, ref="acme_parts.nowhere:Nothing", config=reference, **resources)


COMPONENTS = (
    part(
        "task",
        "copy",
        "CopyConfig",
        recipe="acme_parts:recipe.yaml",
        builtin_recipe="acme_parts:builtin.yaml",
        summary="Say it again",
    ),
    part("task", "bare", "BPEConfig"),
    part("model", "transformer", "TransformerConfig", presets="acme_parts:presets.yaml"),
    part("model", "lstm", "LSTMConfig"),
    part("model", "everything", "EverythingConfig"),
    part("model", "needy", "NeedyConfig"),
    part("model", "strange", "StrangeConfig"),
    part("criterion", "nll", None),
    part("optimizer", "adam", "AdamConfig"),
    part("lr_scheduler", "fixed", "FixedConfig"),
    part("tokenizer", "bpe", "BPEConfig"),
    part("tokenizer", "char", "CharConfig"),
    part("callback", "ema", "EMAConfig"),
    part("callback", "other", "FixedConfig"),
    part("tracker", "tensorboard", "TensorBoardConfig"),
)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """The plugin `acme`, whose modules exist for as long as the tests run."""
    root = tmp_path_factory.mktemp("site")
    package = root / "acme_parts"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "config.py").write_text(_CONFIG)
    (package / "recipe.yaml").write_text(_RECIPE)
    (package / "builtin.yaml").write_text(_BUILTIN_RECIPE)
    (package / "presets.yaml").write_text(_PRESETS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root))
        yield Registry([Plugin(id="acme", components=COMPONENTS)])


@pytest.fixture
def resolved(registry: Registry, tmp_path: Path) -> Callable[..., Resolved]:
    """Resolve task `copy` with a file of the given text and arguments."""

    def resolve_text(*overrides: str, yaml: str | None = None, task: str | None = "copy", **options: str) -> Resolved:
        path = None
        if yaml is not None:
            path = tmp_path / "train.yaml"
            path.write_text(yaml, encoding="utf-8")
        return resolve(registry, config_file=path, task=task, overrides=overrides, **options)

    return resolve_text
