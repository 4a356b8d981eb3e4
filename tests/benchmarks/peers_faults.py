"""
The same faults done to seqtrain, to Hugging Face's Trainer and to Lightning: what was observed.

    python tests/benchmarks/peers_faults.py FOLDER [SYSTEM ...] [--only FAULT ...] [--fork]

Needs transformers, accelerate, lightning and torchdata beside our own packages. Each library trains a small Transformer
with dropout for 60 steps of 2.4 epochs on a CPU, saves every 12 steps, and is resumed as its documentation says. Writes
what each trial gave to FOLDER/SYSTEM.json, and prints a table of all there is. With --fork a trial is a process forked
from one that has imported the library already, which takes far less time than an interpreter for each.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent / "peers"))

from systems import SAVE_EVERY, SYSTEMS
from training_process import Launcher
from trials import NEWEST, Trials

from seqtrain.checkpoint.manifest import read_manifest, write_manifest

LIBRARIES = ("seqtrain", "transformers", "accelerate", "lightning", "torchdata", "torch", "safetensors")
BY_HAND = 3  # trials of a row in which the newest checkpoint is deleted after a failure
Row = list[str]


def before_first_save(trials: Trials) -> Row:
    """SIGKILL before the first save"""
    return killed_at(trials, (2, 8))


def between_saves(trials: Trials) -> Row:
    """SIGKILL between saves"""
    return killed_at(trials, (13, 18, 25, 31, 50))


def killed_at(trials: Trials, steps: Iterable[int]) -> Row:
    """Kill after some steps."""
    row = []
    for step in steps:
        process = trials.start(fresh=True)
        process.reaches(step, trials.system.step)
        process.signal(signal.SIGKILL)
        process.wait()
        row.append(trials.resume().text())
    return row


def in_saves(trials: Trials) -> Row:
    """SIGKILL during a save"""
    row, by_hand = [], 0
    for number in range(1, 9):
        process = trials.start(fresh=True)
        process.reaches(2 * SAVE_EVERY - 1, trials.system.step)
        process.until(trials.changes(number))
        process.signal(signal.SIGKILL)
        process.wait()
        when = "caught while writing: " if trials.torn() else "between files or after: "
        outcome = trials.resume()
        row.append(when + outcome.text())
        if outcome.code and by_hand < BY_HAND:
            by_hand += 1
            row.append(f"after deleting the newest by hand: {trials.by_hand().text()}")
    return row


def in_saves_elsewhere(trials: Trials) -> Row:
    """SIGKILL during a save, TMPDIR on another file system"""
    kept, trials.temporary = (trials.launcher, trials.temporary), Path("/dev/shm") / f"peers-faults-{os.getpid()}"
    trials.temporary.mkdir()
    trials.launcher = Launcher(trials.system.script, trials.temporary, fork=kept[0].nursery is not None)
    try:
        return in_saves(trials)
    finally:
        trials.launcher.close()
        shutil.rmtree(trials.temporary)
        trials.launcher, trials.temporary = kept


def damaged(trials: Trials, ways: dict[str, Callable[[Path], None]]) -> Row:
    """Damage each file of the newest checkpoint in each way."""
    row, by_hand = [], 0
    for number in range(len(trials.restore())):
        for damage in ways.values():
            path = trials.restore()[number]
            damage(path)
            outcome = trials.resume()
            row.append(outcome.text(NEWEST))
            if outcome.code and by_hand < BY_HAND:
                by_hand += 1
                row.append(f"after deleting the newest by hand: {trials.by_hand().text()}")
            print(f"  {trials.system.name}: {path.name}: {row[-1]}", flush=True)
    return row


def truncated(trials: Trials) -> Row:
    """A file of the newest checkpoint cut short"""
    return damaged(trials, {str(share): cut_to(share) for share in shares(trials, (0.5,), (0.0, 0.1, 0.5, 0.9, 0.999))})


def flipped(trials: Trials) -> Row:
    """One bit of a file of the newest checkpoint flipped"""
    return damaged(
        trials, {str(share): flip_at(share) for share in shares(trials, (0.5,), (0.1, 0.2, 0.4, 0.5, 0.7, 0.9))}
    )


def missing(trials: Trials) -> Row:
    """A file of the newest checkpoint missing"""
    return damaged(trials, {"gone": Path.unlink})


def shares(trials: Trials, of_many: tuple[float, ...], of_one: tuple[float, ...]) -> tuple[float, ...]:
    """Choose more places where a checkpoint is a single file."""
    return of_one if len(trials.restore()) == 1 else of_many


def cut_to(share: float) -> Callable[[Path], None]:
    """Make a function that shortens a file."""
    return lambda path: os.truncate(path, int(path.stat().st_size * share))


def flip_at(share: float) -> Callable[[Path], None]:
    """Make a function that flips a bit; a low one of a text's byte, so that it stays a text."""

    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int(len(content) * share)] ^= 1
        path.write_bytes(content)

    return flip


def terminated(trials: Trials) -> Row:
    """SIGTERM; then resumed"""
    row = []
    for step in (5, 16, 27):
        process = trials.start(*trials.system.slow, fresh=True)
        process.reaches(step, trials.system.step)
        process.signal(signal.SIGTERM)
        begun = time.monotonic()
        code = process.wait()
        row.append(after_signals(trials, process, code, time.monotonic() - begun))
    return row


def terminated_twice(trials: Trials) -> Row:
    """SIGTERM twice; then resumed"""
    row = []
    for delay in (0.005, 0.05, 0.5):
        process = trials.start(*trials.system.slow, fresh=True)
        process.reaches(16, trials.system.step)
        process.signal(signal.SIGTERM)
        time.sleep(delay)
        begun = time.monotonic()
        second = process.signal(signal.SIGTERM)
        code = process.wait()
        row.append(
            ("" if second else "(over before the second) ")
            + after_signals(trials, process, code, time.monotonic() - begun)
        )
    return row


def after_signals(trials: Trials, process, code: int, seconds: float) -> str:
    """Say how it ended, what was lost, and what a resume gives."""
    done = max(map(int, trials.system.step.findall(process.text())))
    outcome = trials.resume()
    lost = "" if outcome.code else f", {done - outcome.begun} steps lost" if done > outcome.begun else ", nothing lost"
    print(f"  {trials.system.name}: exit {code} after {seconds:.1f} s{lost}; {outcome}", flush=True)
    return f"exit {code}{', a save' if not outcome.code and outcome.begun == done else ', no save'}; resume: {outcome.text()}"


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple:
        return (exec, (f"open({str(self.canary)!r}, 'w').close()",))


def planted(trials: Trials) -> Row:
    """A pickle planted in place of a file, or beside them"""
    row, canary = [], trials.place / "canary"
    assert all(sets_off(canary, place=trials.place / f"control{suffix}") for suffix in (".pt", ".json"))
    names = [each.name for each in trials.restore()]
    beside = ["optimizer.pt", "rng_state.pth", "state.pkl", "pytorch_model.bin"]
    for name in dict.fromkeys([*names, *beside]):
        folder = trials.restore()[0].parent
        canary.unlink(missing_ok=True)
        plant(folder / name, Bomb(canary))
        if name == "pytorch_model.bin":
            (folder / "model.safetensors").unlink(missing_ok=True)
        vouch_for(folder)
        outcome = trials.resume()
        row.append(f"{'EXECUTED' if canary.exists() else 'not executed'}, {outcome.text(NEWEST)}")
        print(f"  {trials.system.name}: {name}: {row[-1]}", flush=True)
    return row


def plant(path: Path, bomb: Bomb) -> None:
    """Write a pickle: as torch.save does, where that is what the file would hold."""
    if path.suffix in (".pt", ".pth", ".bin", ".ckpt"):
        torch.save({"state": bomb}, path)
    else:
        path.write_bytes(pickle.dumps(bomb))


def sets_off(canary: Path, place: Path) -> bool:
    """Make sure that what is planted works, where it is loaded without a guard."""
    canary.unlink(missing_ok=True)
    plant(place, Bomb(canary))
    if place.suffix == ".pt":
        torch.load(place, weights_only=False)
    else:
        pickle.loads(place.read_bytes())
    return canary.exists()


def vouch_for(folder: Path) -> None:
    """Make seqtrain's manifest agree with the files, as an attacker can: nothing but the loading itself protects now."""
    if folder.name.startswith("step-") and (folder / "manifest.json").read_bytes().startswith(b"{"):
        manifest = read_manifest(folder)
        write_manifest(folder, step=manifest.step, epoch=manifest.epoch, measures=manifest.measures)


KILLS = (before_first_save, between_saves, in_saves)
DAMAGES = (truncated, flipped, missing)
SIGNALS = (terminated, terminated_twice)
FAULTS = {
    "seqtrain": (*KILLS, *DAMAGES, *SIGNALS, planted),
    "hf": (*KILLS, *DAMAGES, *SIGNALS, planted),
    "hf-best": (before_first_save, *SIGNALS),
    "lightning": (*KILLS, in_saves_elsewhere, *DAMAGES, *SIGNALS, planted),
    "lightning-loader": (between_saves,),
    "lightning-best": (between_saves, *DAMAGES, *SIGNALS, planted),
}


def make_corpus(data: Path) -> None:
    """Take 400 pairs of seqtrain's built-in corpus: as many examples an epoch as the peers have."""
    if (data / "valid.de").exists():
        return
    command = f"train --task translation --model transformer/tiny --run-dir {data}/once data.cache_dir={data}/cache"
    subprocess.run(
        [sys.executable, "-m", "seqtrain", *command.split(), "trainer.max_steps=1", "trainer.validate.epochs=null",
         "data.max_sentences=2", "task.score_validation=false"],
        check=False, capture_output=True,
    )  # fmt: skip
    for language in ("en", "de"):
        (text,) = (data / "cache").glob(f"builtin-*/train.{language}")
        lines = text.read_text(encoding="utf-8").splitlines(keepends=True)
        (data / f"train.{language}").write_text("".join(lines[:400]), encoding="utf-8")
        (data / f"valid.{language}").write_text("".join(lines[400:420]), encoding="utf-8")


def examine(key: str, place: Path, only: list[str], *, fork: bool) -> None:
    """Do faults to one library, and write down what came of them, beside what was written before of others."""
    make_corpus(place / "data")
    trials, written = Trials(SYSTEMS[key], place / key, place / "data", fork=fork), place / f"{key}.json"
    rows = json.loads(written.read_text(encoding="utf-8")) if only and written.exists() else {}
    rows["Undisturbed, twice"] = ["equal" if trials.undisturbed() else "DIFFERENT"]
    for fault in (each for each in FAULTS[key] if not only or each.__name__ in only):
        rows[fault.__doc__] = fault(trials)
        print(f"{SYSTEMS[key].name}: {fault.__doc__}: {summary(rows[fault.__doc__])}", flush=True)
        written.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    trials.launcher.close()


def summary(row: Row) -> str:
    """Count what is the same."""
    return "; ".join(f"{count} x {text}" for text, count in Counter(row).most_common())


def table(place: Path) -> str:
    """Make the table."""
    results = {
        key: json.loads((place / f"{key}.json").read_text()) for key in SYSTEMS if (place / f"{key}.json").exists()
    }
    faults = list(dict.fromkeys(fault for rows in results.values() for fault in rows))
    lines = [
        "| fault | " + " | ".join(SYSTEMS[key].name for key in results) + " |",
        "|---" * (len(results) + 1) + "|",
    ]
    for fault in faults:
        cells = [summary(rows[fault]).replace("; ", "<br>") if fault in rows else "" for rows in results.values()]
        lines.append(f"| {fault} | " + " | ".join(cells) + " |")
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return "\n".join([*lines, "", f"{versions}, Python {platform.python_version()}."])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help=f"of {', '.join(SYSTEMS)}; default: all")
    parser.add_argument("--only", nargs="+", default=[], metavar="FAULT", help="functions of this file; default: all")
    parser.add_argument("--fork", action="store_true", help="fork each trial from a process that has the imports")
    asked = parser.parse_args()
    for each in asked.systems or SYSTEMS:
        examine(each, asked.folder.resolve(), asked.only, fork=asked.fork)
    print(table(asked.folder.resolve()))
