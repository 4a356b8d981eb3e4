"""Prove for one configuration that a killed run resumes bit for bit: `seqtrain verify-resume`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqtrain.checkpoint.catalog import step_name
from seqtrain.checkpoint.checkpoint import Checkpoint
from seqtrain.config.dump import to_yaml
from seqtrain.config.schema import RunConfig
from seqtrain.errors import TrainingError
from seqtrain.run.compare import differing, leaves
from seqtrain.training.cadence import Every
from seqtrain.workers.child import python_command

_CLOCKS = ("wall_s", "train/tokens_per_s", "train/source_tokens_per_s", "train/sentences_per_s")  # in metrics.jsonl
_SECONDS = 0.01  # between two looks for a checkpoint


@dataclass(frozen=True, kw_only=True)
class ResumeCheck:
    """
    What came out.

    Args:
        items: how many tensors and numbers of each part of the checkpoints were compared.
        differing: names of those that differ; none if the run goes on exactly.
    """

    items: Mapping[str, int]
    differing: list[str]


def check_resume(config: RunConfig, folder: Path, *, steps: int, environ: Mapping[str, str]) -> ResumeCheck:
    """
    Train twice for 2 x `steps` updates, once with a kill after half of them, and compare all that was saved.

    Both are processes of their own; the kill is a SIGKILL. But for the cadence of saving, the configuration is the
    user's, so that learning rates and the order of the data are those of the real run.

    Args:
        config: the run to try.
        folder: an empty one; the runs stay in it.
        steps: updates before the kill, and after it.
        environ: the processes' environment.

    Raises:
        TrainingError: a run ended by itself, because it failed or reached a limit of its own.
    """
    every = Every(steps=steps)
    config = replace(config, checkpoint=replace(config.checkpoint, save=every, keep_every=every, init_from=None))
    file = folder / "config.yaml"
    file.write_text(to_yaml(config), encoding="utf-8")
    runs = [_Run(file, folder / name, environ) for name in ("straight", "resumed")]
    straight, resumed = runs
    straight.train_until(2 * steps, signal.SIGTERM)
    resumed.train_until(steps, signal.SIGKILL)
    resumed.train_until(2 * steps, signal.SIGTERM)
    first, second = (run.saved(2 * steps) for run in runs)
    items = {part: sum(1 for name in first if _part(name) == part) for part in sorted(map(_part, first))}
    return ResumeCheck(items=items, differing=differing(first, second))


class _Run:
    """One run, trained by processes that are ended from here."""

    def __init__(self, config: Path, folder: Path, environ: Mapping[str, str]) -> None:
        self._command = python_command("seqtrain.cli.main", "train", str(config), "--run-dir", str(folder))
        self._folder, self._environ = folder, environ

    def train_until(self, step: int, number: signal.Signals) -> None:
        """Train until a checkpoint of this step is there, then send the signal and wait."""
        log = self._folder.with_suffix(".log")
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own command
                self._command, stdout=output, stderr=output, env=self._environ
            )
            try:
                while not self._checkpoint(step).is_dir() and process.poll() is None:
                    time.sleep(_SECONDS)
            finally:
                process.send_signal(number)
                process.wait()
        if not self._checkpoint(step).is_dir():
            end = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
            raise TrainingError(
                f"The run ended (exit code {process.returncode}) before step {step}: {end}\n"
                f"Let it train by itself, choose fewer --steps, or see {log}."
            )

    def saved(self, step: int) -> dict[str, Any]:
        """Return all that the run had saved and measured by this step, by dotted names."""
        checkpoint = Checkpoint.verified(self._checkpoint(step))
        state = {part: checkpoint.load(part) for part in checkpoint.parts}
        return {**leaves(state), **leaves(self._metrics(step), "metrics.jsonl")}

    def _metrics(self, last_step: int) -> list[dict[str, Any]]:
        file = self._folder / "metrics.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []  # none, if none was due yet
        written = [json.loads(line) for line in lines]
        return [
            {name: value for name, value in line.items() if name not in _CLOCKS}
            for line in written
            if line["step"] <= last_step
        ]

    def _checkpoint(self, step: int) -> Path:
        return self._folder / "checkpoints" / step_name(step)


def environment(plugin_filters: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with the user's choice of plugins."""
    return {**os.environ, **plugin_filters}


def _part(name: str) -> str:
    return "metrics.jsonl" if name.startswith("metrics.jsonl") else name.partition(".")[0]
