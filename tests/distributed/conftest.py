"""Tiny runs, and the workers that make them, started as torchrun starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from seqtrain.checkpoint.catalog import CheckpointCatalog
from tiny_runs import DUMMY, read_metrics, words_of

SCRIPT = Path(__file__).with_name("trained_in_workers.py")
BASE = {
    **DUMMY,
    "task.dummy.valid_examples": 6,
    "model.embed_dim": 16,
    "model.ffn_dim": 16,
    "model.attention_heads": 2,
    "model.dropout": 0.1,
    "lr_scheduler.warmup_steps": 2,
    "trainer.clip_norm": 1.0,
    "trainer.validate": "{steps: 10}",
    "checkpoint.save": "{steps: 1000}",
    "logging.every": "{steps: 5}",
    "distributed.timeout": 60,
}
LAYERS = {
    "translation": {"model.encoder_layers": 2, "model.decoder_layers": 1},
    "lm": {"model.layers": 2},
    "classify": {"model.name": "transformer_classifier/tiny", "model.layers": 2},
}


class Workers:
    """Trains in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def words(task: str, settings: Mapping[str, object]) -> list[str]:
        """Return the task and the settings of a tiny run."""
        return [task, *words_of({**BASE, **LAYERS[task], **settings})]

    def train(self, runs: Mapping[str, Sequence[str]], world_size: int, *spoilt: int) -> None:
        """
        Train, as `world_size` processes of one thread each; a single one is started without torchrun.

        Args:
            runs: what to train, by name.
            world_size: how many processes.
            spoilt: a step and a micro-batch of it whose gradient is not finite.
        """
        file = self.folder / f"runs-{world_size}.json"
        file.write_text(json.dumps(runs), encoding="utf-8")
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world_size}"]
        command = [
            sys.executable,
            *(launcher if world_size > 1 else []),
            str(SCRIPT),
            str(self.folder),
            str(file),
            *map(str, spoilt),
        ]
        environ = {**os.environ, "OMP_NUM_THREADS": "1"}
        ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=900, check=False)
        assert ended.returncode == 0, ended.stderr[-6000:]

    def weights(self, run: str) -> dict[str, torch.Tensor]:
        """Return the parameters of a run's last checkpoint."""
        last = CheckpointCatalog(self.folder / run / "checkpoints").open("last")
        loaded: dict[str, torch.Tensor] = last.load("model")
        return loaded

    def metrics(self, run: str) -> list[dict[str, Any]]:
        """Return the lines of metrics.jsonl, without what depends on the clock."""
        return read_metrics(self.folder / run)

    @staticmethod
    def close_to(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return what equals lines whose numbers differ by rounding alone."""
        return [
            {
                key: pytest.approx(value, rel=1e-4, abs=1e-6) if isinstance(value, float) else value
                for key, value in line.items()
            }
            for line in lines
        ]

    def examples_by_step(self, run: str) -> dict[int, Counter[int]]:
        """Return the examples of each step, over all workers."""
        seen: dict[int, Counter[int]] = {}
        for file in self.folder.glob(f"{run}.seen-*.json"):
            for step, examples in json.loads(file.read_text(encoding="utf-8")).items():
                seen.setdefault(int(step), Counter()).update(examples)
        return seen

    def collectives_by_step(self, run: str) -> list[dict[int, int]]:
        """Return how many collectives each step had, for each worker."""
        files = self.folder.glob(f"{run}.collectives-*.json")
        counts = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        return [{int(step): count for step, count in each.items()} for each in counts]


@pytest.fixture(scope="session")
def workers_in() -> type[Workers]:
    """Return what trains in a folder."""
    return Workers
