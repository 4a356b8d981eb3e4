"""
Memory of the process against the size of the corpus: tokenizer, stores, plan and a pass over all batches.

    python tests/benchmarks/memory.py FOLDER PAIRS [PAIRS ...]

Writes corpora of generated sentence pairs to FOLDER, and works through each in a process of its own, as `seqtrain
train` does before and between its steps. Prints the peak of the resident set after each stage, in MiB, and seconds.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import sys
import time
from itertools import accumulate
from pathlib import Path

from seqtrain.build import build_task
from seqtrain.config.resolve import resolve
from seqtrain.data.epoch_iterator import EpochIterator
from seqtrain.data.plan import BatchLimits
from seqtrain.registry.discovery import discover

SYLLABLES = [consonant + vowel for consonant in "bdfghklmnprstvwz" for vowel in ("a", "e", "i", "o", "u", "ei", "au")]
BLOCK = 1000  # pairs written at once, of words drawn anew


def write_corpus(prefix: Path, pairs: int, words_each: int = 17) -> None:
    """Write sentences of made-up words, Zipf-distributed, `words_each` on average, to PREFIX.en and PREFIX.de."""
    if prefix.with_suffix(".de").exists():
        return
    rng = random.Random(pairs)
    words = ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))) for _ in range(20_000)]
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    for language in ("en", "de"):
        with prefix.with_suffix(f".{language}").open("w") as file:
            for _ in range(0, pairs, BLOCK):
                drawn = rng.choices(words, cum_weights=weights, k=BLOCK * words_each)
                cut = sorted(rng.sample(range(1, len(drawn)), BLOCK - 1))
                file.writelines(
                    " ".join(drawn[start:stop]) + "\n"
                    for start, stop in zip([0, *cut], [*cut, len(drawn)], strict=True)
                )


def work_through(prefix: Path, cache: Path, task_folder: Path) -> None:
    """Do what a run does with its data, printing the peak of the resident set after each stage."""
    started = time.monotonic()

    def report(stage: str) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"  {stage:<34}{peak:8.0f} MiB{time.monotonic() - started:9.1f} s", flush=True)

    report("imports")
    registry = discover()
    overrides = [f"task.train={prefix}", "task.source_lang=en", "task.target_lang=de"]
    config = resolve(registry, task="translation", overrides=overrides).config
    task = build_task(config, registry)
    task_folder.mkdir(parents=True, exist_ok=True)
    task.prepare(task_folder, cache)
    report("tokenizer trained, text binarised")
    batches = EpochIterator(task.dataset("train"), BatchLimits(max_tokens=4096, max_sentences=None), prefetch=4)
    plan = batches.plan(1)
    report(f"epoch planned, {plan.num_micro_batches:,} batches")
    examples = sum(len(batch) for step in batches.steps(1) for batch in step.samples)
    report(f"{examples:,} pairs collated")


def main() -> None:
    """Work through corpora of the sizes given."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for pairs in map(int, sys.argv[2:]):
        prefix = folder / f"pairs-{pairs}"
        write_corpus(prefix, pairs)
        print(f"{pairs:,} pairs, {prefix.with_suffix('.en').stat().st_size * 2 / 2**20:,.0f} MiB of text")
        process = multiprocessing.get_context("spawn").Process(
            target=work_through, args=(prefix, folder / "cache", folder / f"task-{pairs}")
        )
        process.start()
        process.join()


if __name__ == "__main__":
    main()
