"""Settings of runs that take about a second, and what two of them have in common when they are equal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

# Transformers of one layer that translate a corpus of words, step by step.
WORDS: Mapping[str, Any] = {
    "task.source_lang": "en",
    "task.target_lang": "de",
    "task.tokenizer.name": "word",
    "task.max_length": 32,
    "task.generation.beam": 1,
    "model.encoder_layers": 1,
    "model.decoder_layers": 1,
    "model.embed_dim": 16,
    "model.ffn_dim": 32,
    "model.attention_heads": 2,
    "lr_scheduler.warmup_steps": 10,
    "trainer.max_epochs": "null",
    "logging.every": "{steps: 1}",
    "trackers.tensorboard": "null",
}

# Any task on made-up data, with nothing on the side.
DUMMY: Mapping[str, Any] = {
    "task.dummy.length": 9,
    "task.dummy.min_length": 4,
    "task.dummy.vocab_size": 40,
    "data.max_sentences": 4,
    "data.prefetch": 0,
    "trainer.max_epochs": "null",
    "trainer.patience": "null",
    "trackers": "{}",
    "distributed.device": "cpu",
}

CLOCKS = (
    "wall_s",
    "train/tokens_per_s",
    "train/source_tokens_per_s",
    "train/sentences_per_s",
)  # in metrics.jsonl; no two runs agree on these


def words_of(settings: Mapping[str, Any]) -> list[str]:
    """Return settings as words of a command line; None leaves one out."""
    return [f"{key}={value}" for key, value in settings.items() if value is not None]


def without_clocks(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what depends on the clock."""
    return [{key: value for key, value in line.items() if key not in CLOCKS} for line in lines]


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's metrics.jsonl without what depends on the clock."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return without_clocks(map(json.loads, lines))
