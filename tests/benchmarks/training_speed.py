"""
`seqtrain train` against the bare loop, in alternating runs, each in a process of its own.

    python tests/benchmarks/training_speed.py CONFIG.yaml [KEY=VALUE ...] [--steps N] [--rounds N]

Prints target tokens per second of each run, and the median of the ratios seqtrain / bare. Both count the steps after
the tenth; seqtrain's include its logging, and nothing is validated or saved within them.

A third figure is the bare loop with glibc's allocator told to keep freed memory, as seqtrain does at its start.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

BARE_LOOP = Path(__file__).with_name("bare_loop.py")
KEEP_FREED_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_TOP_PAD_": str(64 << 20)}
WARM_UP = 10


def seqtrain_speed(config: str, overrides: list[str], run: Path, steps: int) -> float:
    """Train in a new run folder; return target tokens per second over the steps after the warm-up."""
    settings = [
        f"trainer.max_steps={steps}", "trainer.max_epochs=null", "trainer.validate={epochs: 1000000}", "checkpoint.save={epochs: 1000000}",
        f"logging.every.steps={WARM_UP}", "trackers={}", "task.score_validation=false", "task.test=null",
    ]  # fmt: skip
    subprocess.run(
        [sys.executable, "-m", "seqtrain", "train", config, "--run-dir", str(run), *overrides, *settings],
        check=True, capture_output=True,
    )  # fmt: skip
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    rates = [line["train/tokens_per_s"] for line in lines if line["split"] == "train" and line["step"] > WARM_UP]
    return statistics.harmonic_mean(rates)


def bare_speed(run: Path, steps: int, environ: dict[str, str]) -> float:
    """Run the bare loop with the run's settings; return its target tokens per second."""
    done = subprocess.run(
        [sys.executable, str(BARE_LOOP), str(run), str(steps)],
        check=True, capture_output=True, text=True, env={**os.environ, **environ},
    )  # fmt: skip
    return float(done.stdout)


def main() -> None:
    """Alternate the three, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    ratios, kept = [], []
    print("seqtrain   bare   bare, memory kept   seqtrain/bare   seqtrain/bare, memory kept")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds):
            run = Path(folder) / f"run-{number}"
            ours = seqtrain_speed(arguments.config, arguments.overrides, run, arguments.steps)
            bare = bare_speed(run, arguments.steps, {})
            bare_kept = bare_speed(run, arguments.steps, KEEP_FREED_MEMORY)
            ratios.append(ours / bare)
            kept.append(ours / bare_kept)
            print(f"{ours:8.0f}{bare:7.0f}{bare_kept:20.0f}{ratios[-1]:16.3f}{kept[-1]:29.3f}")
    print(f"median {statistics.median(ratios):44.3f}{statistics.median(kept):29.3f}")


if __name__ == "__main__":
    main()
