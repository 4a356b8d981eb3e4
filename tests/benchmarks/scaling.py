"""
Real targets a second by one worker and by two, on one core and on two.

    python tests/benchmarks/scaling.py FOLDER [MODEL] [MAX_TOKENS] [ROUNDS]

What workers cost each other is told by two runs at the same time that have nothing to do with each other: the share of
their common speed that two workers of one run do not reach goes into talking, waiting and unequal batches.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

STEPS, WARM_UP = 40, 10
WAYS = {  # workers, threads of each, engine, how many such runs at the same time
    "1 worker x 1 thread": (1, 1, "ddp", 1),
    "1 worker x 2 threads": (1, 2, "ddp", 1),
    "2 workers x 1 thread, DDP": (2, 1, "ddp", 1),
    "2 workers x 1 thread, FSDP2": (2, 1, "fsdp", 1),
    "2 runs of 1 worker x 1 thread": (1, 1, "ddp", 2),
}


def main(folder: Path, model: str = "transformer/tiny", max_tokens: str = "2048", rounds: str = "3") -> None:
    """Measure all ways in turn, `rounds` times, and print the medians."""
    shutil.rmtree(folder, ignore_errors=True)
    speeds: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(int(rounds)):
        for way, (workers, threads, engine, runs) in WAYS.items():
            places = [folder / f"{number}-{len(speeds[way])}-{workers}-{threads}-{engine}-{run}" for run in range(runs)]
            started = [start(place, model, max_tokens, workers, threads, engine) for place in places]
            if any(each.wait() for each in started):
                sys.exit(f"{way} failed; see {places[0]}.log")
            speeds[way].append(sum(map(speed, places)))
            print(f"{way}: {speeds[way][-1]:.0f}", flush=True)
    print(f"\n{model}, data.max_tokens={max_tokens}, {STEPS - WARM_UP} steps of two micro-batches, {rounds} rounds")
    for way, found in speeds.items():
        print(f"| {way} | {statistics.median(found):.0f} | {min(found):.0f} to {max(found):.0f} |")


def start(place: Path, model: str, max_tokens: str, workers: int, threads: int, engine: str) -> subprocess.Popen[bytes]:
    """Start a run; all have steps of two micro-batches, so all do the same work."""
    place.parent.mkdir(parents=True, exist_ok=True)
    settings = [
        f"data.max_tokens={max_tokens}", "trainer.micro_batches_per_step=2", f"trainer.max_steps={STEPS}",
        "trainer.max_epochs=null", "trainer.patience=null", "trainer.validate={epochs: 1000}",
        "checkpoint.save={epochs: 1000}", "checkpoint.asynchronous=false", f"logging.every={{steps: {WARM_UP}}}",
        "trackers={}", "distributed.device=cpu", f"distributed.threads={threads}", f"distributed.engine={engine}",
        f"data.cache_dir={place.parent / 'cache'}",
    ]  # fmt: skip
    words = ["train", "--task", "translation", "--model", model, "--workers", str(workers), "--run-dir", str(place)]
    with place.with_name(f"{place.name}.log").open("wb") as log:
        environ = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        return subprocess.Popen(
            [sys.executable, "-m", "seqtrain", *words, *settings], stdout=log, stderr=log, env=environ
        )


def speed(place: Path) -> float:
    """Return the median of the lines after the first, which is warm-up, in real targets a second."""
    lines = map(json.loads, (place / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    found = [line["train/tokens_per_s"] for line in lines if line["split"] == "train"]
    return statistics.median(found[1:])


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
