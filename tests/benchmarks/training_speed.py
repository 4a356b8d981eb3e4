"""
`seqtrain train` against the bare loop, in alternating runs, each in a process of its own; whatever the task.

    python tests/benchmarks/training_speed.py CONFIG.yaml [KEY=VALUE ...] [--steps N] [--rounds N]

Prints milliseconds per step of each run, by the clock on the wall and by the processor's, and the medians of the
ratios seqtrain / bare: of time, so that seqtrain is the faster one below 1. Both count the steps after the tenth, in
which seqtrain logs and does whatever else it does for every step, but neither validates nor saves.

The processor's time is that of all threads, and bears other work on the machine better. A third pair of figures is
the bare loop with glibc's allocator told to keep freed memory, as seqtrain does at its start.
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

HERE = Path(__file__).parent
KEEP_FREED_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "-1", "MALLOC_TOP_PAD_": str(64 << 20)}
CLOCKS = ("wall", "cpu")
LOOPS = ("seqtrain", "bare", "bare, memory kept")


def run(script: str, *arguments: str, **environ: str) -> dict[str, float]:
    """Run a loop in a process of its own; return milliseconds per step by each clock."""
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments],
        check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **environ},
    )  # fmt: skip
    times: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return times


def run_all(config: str, overrides: list[str], folder: Path, steps: int) -> dict[str, dict[str, float]]:
    """Run the three loops once; the run folder of the first tells the others what to train."""
    return {
        "seqtrain": run("timed_train.py", str(steps), config, "--run-dir", str(folder), *overrides),
        "bare": run("bare_loop.py", str(folder), str(steps)),
        "bare, memory kept": run("bare_loop.py", str(folder), str(steps), **KEEP_FREED_MEMORY),
    }


def main() -> None:
    """Alternate the three, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rounds = []
    print("ms per step".ljust(14), *(f"{loop}, {clock}".rjust(25) for loop in LOOPS for clock in CLOCKS))
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds):
            found = run_all(arguments.config, arguments.overrides, Path(folder) / f"run-{number}", arguments.steps)
            rounds.append(found)
            cells = (f"{found[loop][clock]:25.2f}" for loop in LOOPS for clock in CLOCKS)
            print(f"round {number + 1}".ljust(14), *cells, flush=True)
    for loop in LOOPS[1:]:
        for clock in CLOCKS:
            ratios = [found["seqtrain"][clock] / found[loop][clock] for found in rounds]
            each = "  ".join(f"{ratio:.3f}" for ratio in ratios)
            print(f"seqtrain / {loop}, {clock}: median {statistics.median(ratios):.3f} of {each}")


if __name__ == "__main__":
    main()
