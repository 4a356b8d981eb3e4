"""
Start-up time and memory of each worker against the number of workers, on a large corpus.

    python tests/benchmarks/worker_memory.py FOLDER PAIRS WORKERS [WORKERS ...]

Writes a corpus of PAIRS short sentence pairs to FOLDER, and for each number of workers trains a small model on it with
`seqtrain train`: twice, as the first start binarises the text and a later one finds that done. Seconds are counted from
the command to the first batch. After step 5 the kernel is asked what the memory of every process consists of.

Prints for each process its processor time up to the first batch; then, in MiB: resident set; of that, its own anonymous memory, pages of the corpus and of the plan
(page cache, one copy for all, which the kernel takes back when it needs the room), other files (libraries); its
proportional share of all (PSS), and the peak of its resident set.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import IO

from memory import write_corpus

WORDS = 7  # of a sentence
STEP = 5
DATA = re.compile(r"/text-[0-9a-f]+/|\(deleted\)$")  # stores in the cache; plans have no name
SETTINGS = (
    "task.source_lang=en", "task.target_lang=de", "trainer.max_steps=1000", "trainer.max_epochs=null",
    "logging.every.steps=1", "logging.progress=plain", "trackers={}", "data.max_tokens=1024",
)  # fmt: skip


def measure(prefix: Path, folder: Path, workers: int, start: str) -> None:
    """Train until the step, look at the processes, and stop them."""
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    command = [
        sys.executable, "-m", "seqtrain", "train", "--task", "translation", "--model", "transformer/tiny",
        "--workers", str(workers), "--run-dir", str(run), f"task.train={prefix}", f"data.cache_dir={folder / 'cache'}",
        *SETTINGS,
    ]  # fmt: skip
    started = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr is not None
    wait_for(" step 0 ", process.stderr)
    print(f"{workers} workers, {start} start: {time.monotonic() - started:.1f} s to the first batch", flush=True)
    found = processes(process.pid, workers)
    seconds = [cpu_seconds(pid) for _, pid in found]
    wait_for(f" step {STEP} ", process.stderr)
    print(f"  {'process':<10}{'CPU s':>8}{'RSS':>8}{'anonymous':>11}{'data':>8}{'files':>8}{'PSS':>8}{'peak':>8}")
    for (name, pid), spent in zip(found, seconds, strict=True):
        print(f"  {name:<10}{spent:8.1f}{describe(pid)}", flush=True)
    process.send_signal(signal.SIGINT)
    process.communicate()


def wait_for(text: str, log: IO[str]) -> None:
    """Read lines until one has the text."""
    lines = []
    for line in log:
        lines.append(line)
        if text in line:
            return
    sys.exit("".join(lines))


def processes(root: int, workers: int) -> list[tuple[str, int]]:
    """Return the training processes, and the one that started them where it is another."""
    if workers == 1:
        return [("worker", root)]
    children = (Path(f"/proc/{root}/task/{root}/children")).read_text().split()
    found = [int(each) for each in children if b"seqtrain.workers.main" in Path(f"/proc/{each}/cmdline").read_bytes()]
    return [(f"worker {number}", pid) for number, pid in enumerate(sorted(found))] + [("launcher", root)]


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has taken so far, in all its threads."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def describe(pid: int) -> str:
    """Return the columns of the table for a process."""
    parts, kind = Counter[str](), ""
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split(maxsplit=5)
        if not words[0].endswith(":"):  # a mapping begins
            path = words[5] if len(words) > 5 else ""
            kind = "data" if DATA.search(path) else "files"
        elif words[0] in ("Rss:", "Pss:", "Anonymous:"):
            parts[words[0]] += int(words[1])
            parts[kind] += int(words[1]) * {"Rss:": 1, "Anonymous:": -1}.get(words[0], 0)
    [peak] = re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    numbers = [parts["Rss:"], parts["Anonymous:"], parts["data"], parts["files"], parts["Pss:"], int(peak)]
    return "".join(f"{number / 1024:{width}.0f}" for number, width in zip(numbers, (8, 11, 8, 8, 8, 8), strict=True))


def main() -> None:
    """Measure each number of workers."""
    folder, pairs = Path(sys.argv[1]), int(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    prefix = folder / f"pairs-{pairs}"
    write_corpus(prefix, pairs, WORDS)
    for workers in map(int, sys.argv[3:]):
        shutil.rmtree(folder / "cache", ignore_errors=True)
        for start in ("first", "later"):
            measure(prefix, folder, workers, start)


if __name__ == "__main__":
    main()
