"""What a finished run tells its user."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seqtrain.task import Task


@dataclass(frozen=True)
class Results:
    """
    How a run ended.

    Args:
        run_dir: where everything lies.
        split: the split that was measured at the end, if there is one.
        checkpoint: the checkpoint that was measured.
        measures: its measures.
        exit_code: what the process should end with.
        is_told: a worker has said all this.
    """

    run_dir: Path
    split: str | None = None
    checkpoint: str = ""
    measures: Mapping[str, float] = field(default_factory=dict)
    exit_code: int = 0
    is_told: bool = False

    def summary(self) -> str:
        """Return the paragraph that ends a run: scores, where they are, and what to type next."""
        lines = []
        if self.split is not None:
            scores = "  ".join(f"{name} {value:.4g}" for name, value in self.measures.items())
            lines.append(f"{self.split} ({self.checkpoint}): {scores}")
        lines += [f"results: {self.run_dir}", "next:", f"  seqtrain predict {self.run_dir} --input FILE"]
        if self.split is not None:
            lines.append(f"  seqtrain evaluate {self.run_dir} --split {self.split}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Evaluation(Results):
    """
    The measures of a split.

    Args:
        checkpoints: the checkpoints that were measured together.
        notes: how measures were taken, by name.
        as_json: to be printed as one JSON object.
    """

    checkpoints: Sequence[str] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    as_json: bool = False

    def summary(self) -> str:
        """Return a line for each measure, or the JSON object."""
        if self.as_json:
            result = {
                "schema": "seqtrain.evaluate/1",
                "run": str(self.run_dir),
                "checkpoints": list(self.checkpoints),
                "split": self.split,
                "measures": self.measures,
                "notes": dict(self.notes),
            }
            return json.dumps(result, ensure_ascii=False)
        lines = [f"{self.split}  {', '.join(self.checkpoints)}"]
        for name, value in self.measures.items():
            lines.append(f"  {name:<12} {value:10.4f}  {self.notes.get(name, '')}".rstrip())
        return "\n".join(lines)


def final_split(task: Task) -> str | None:
    """Return the split that a run is judged by: the first test split, else the first validation split."""
    for kind in ("test", "valid"):
        for split in task.splits():
            if split.split("/")[0] == kind:
                return split
    return None
