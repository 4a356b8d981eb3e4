"""
Does a change leave behaviour as it was? Train each task for 50 updates and print what came of it.

    python tests/benchmarks/same_behaviour.py > before.json    # with one version installed
    python tests/benchmarks/same_behaviour.py > after.json     # with the other
    diff before.json after.json

For one process and for two workers: the SHA-256 of the final weights, and of metrics.jsonl without what the clock says.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TASKS = ("translation", "lm", "classify")
SETTINGS = (
    "trainer.max_steps=50", "trainer.max_epochs=null", "data.max_tokens=1024", "distributed.device=cpu", "distributed.threads=1",
    "logging.every={steps: 10}", "trainer.validate={steps: 25}", "checkpoint.save={steps: 20}", "trackers={}",
)  # fmt: skip
OF_THE_CLOCK = ("wall_s", "_per_s")


def main() -> None:
    """Print one JSON object."""
    results = {f"{task}, {workers} worker(s)": train(task, workers) for task in TASKS for workers in (1, 2)}
    print(json.dumps(results, indent=2))


def train(task: str, workers: int) -> dict[str, str]:
    """Train in a folder of its own, and return the hashes."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [
            sys.executable,
            "-m",
            "seqtrain",
            "train",
            "--task",
            task,
            "--run-dir",
            str(run),
            "--workers",
            str(workers),
        ]
        environ = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run([*command, *SETTINGS], check=True, env=environ, stdout=sys.stderr)
        last = run / "checkpoints" / (run / "checkpoints/last").read_text(encoding="utf-8").strip()
        return {
            "weights": hashlib.sha256((last / "model.safetensors").read_bytes()).hexdigest(),
            "metrics": hashlib.sha256("\n".join(lines(run / "metrics.jsonl")).encode()).hexdigest(),
        }


def lines(file: Path) -> list[str]:
    """Return the lines of metrics.jsonl without the fields that depend on the clock."""
    parsed = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [
        json.dumps({key: value for key, value in line.items() if not key.endswith(OF_THE_CLOCK)}) for line in parsed
    ]


if __name__ == "__main__":
    main()
