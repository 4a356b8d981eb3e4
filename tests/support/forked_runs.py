"""Runs of one corpus, each forked from a process that has everything imported: to be killed, or to meet a failing disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seqtrain.checkpoint.catalog import CheckpointCatalog
from seqtrain.checkpoint.checkpoint import Checkpoint
from seqtrain.errors import CheckpointError
from seqtrain.run.compare import leaves
from tiny_runs import read_metrics, words_of

SCRIPT = Path(__file__).parents[1] / "integration" / "killed_runs.py"


class ForkedRuns:
    """
    Runs on one corpus.

    Args:
        process: `killed_runs.py`.
        corpus: what to train on.
        settings: of each run.
    """

    def __init__(self, process: subprocess.Popen[str], corpus: Path, settings: Mapping[str, Any]) -> None:
        self._process, self._corpus, self._settings = process, corpus, settings

    def run(
        self, root: Path, kill: list[Any] | None = None, fail: list[Any] | None = None, **changed: Any
    ) -> dict[str, Any]:
        """Train below a folder, disturbed or left alone; return how it ended, and its log as `said`."""
        root.mkdir(exist_ok=True)
        splits = {f"task.{split}": self._corpus / split for split in ("train", "valid", "test")}
        settings = {**self._settings, **splits, "data.cache_dir": root / "cache", **changed}
        words = [*words_of(settings), "--run-dir", str(root / "run")]
        log = root.with_suffix(".log")
        log.unlink(missing_ok=True)
        request = {"words": ["train", "--task", "translation", *words], "log": str(log), "root": str(root)}
        self._process.stdin.write(json.dumps({**request, "kill": kill, "fail": fail}) + "\n")
        self._process.stdin.flush()
        return {**json.loads(self._process.stdout.readline()), "said": log.read_text()}


def whole_checkpoints(root: Path) -> list[int]:
    """Return the steps of the checkpoints that are whole; nothing is changed."""
    steps = []
    for folder in CheckpointCatalog(root / "run/checkpoints").folders():
        try:
            steps.append(Checkpoint.verified(folder).step)
        except CheckpointError:
            continue
    return steps


def is_emptied(folder: Path) -> bool:
    """Say whether this is what a kill leaves of a passing folder when all in it is in place; the next one takes it along."""
    return folder.match("unfinished-*") and folder.is_dir() and not any(folder.iterdir())


def everything(root: Path, steps: int) -> dict[str, Any]:
    """Return all that a finished run leaves, by dotted names: its last checkpoint, its measures, its folder."""
    run = root / "run"
    checkpoint = Checkpoint.verified(run / f"checkpoints/step-{steps:08d}")
    found = {part: checkpoint.load(part) for part in checkpoint.parts}
    found["metrics"] = read_metrics(run)
    found["folder"] = {str(each.relative_to(root)): each.is_dir() for each in root.rglob("*") if not is_emptied(each)}
    found["pointers"] = [(run / "checkpoints" / name).read_text() for name in ("last", "best", "ranking.json")]
    return leaves(found)


@contextmanager
def forked_runs(corpus: Path, settings: Mapping[str, Any], **environ: str) -> Iterator[ForkedRuns]:
    """Start the process that forks the runs."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    environment = {**os.environ, **environ}
    with subprocess.Popen([sys.executable, str(SCRIPT)], text=True, env=environment, **pipes) as process:
        yield ForkedRuns(process, corpus, settings)
        process.stdin.close()
