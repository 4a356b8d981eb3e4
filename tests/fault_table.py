"""
The faults that a run must survive, and a table of what the tests saw: `nox -s faults`.

A test that injects one carries `@pytest.mark.fault("F5")`; each of its parameters is a trial.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import pytest

# Id: (what is done to the run, what is expected). The ids up to F30 are those of the project's list.
FAULTS = {
    "F1": ("SIGKILL between, in and around steps, saves and validations", "the same command ends with the bits of an undisturbed run"),
    "F2": ("SIGKILL at every call that touches the disk in a save", "a whole checkpoint is there; leftovers are cleared"),
    "F3": ("a full disk, a file size limit, a write that fails", "told with path and free bytes; earlier checkpoints untouched"),
    "F4": ("a folder that is read-only or gone; a lock that fails", "tried again, told, by policy; never silent"),
    "F5": ("files truncated, emptied, missing, swapped; a flipped bit", "noticed before any tensor is used; the one before is used"),
    "F6": ("a checkpoint of another model, vocabulary, format or plugin set", "refused, with the difference"),
    "F7": ("pickles, YAML tags and object arrays in a run folder", "nothing is executed"),
    "F8": ("forged headers of safetensors, deep or huge JSON", "refused in bounded memory and time"),
    "F9": ("paths that lead out of a folder, symbolic links", "refused"),
    "F10": ("SIGTERM from outside and at a chosen step, twice", "one save, exit code 143; the same command resumes bit for bit"),
    "F11": ("SIGUSR1, SIGUSR2, SIGINT, a stop file", "saved and gone on, or saved and left"),
    "F12": ("one of two workers raises, is killed, hangs or leaves", "the job ends in time and names it; goes on, or restarts, bit for bit"),
    "F13": ("a run goes on with more or fewer workers", "the same examples in the same steps"),
    "F14": ("a loss or gradient that is not finite; a spike of the loss", "refused before the update; stop, skip or rollback, bit for bit"),
    "F15": ("a full memory", "told with the batch's shape; nothing half-made"),
    "F16": ("the state changes while it is being written", "the file holds the state of the save"),
    "F17": ("two runs in one folder; a lock left by a killed run", "the second is refused; the stale lock is taken over"),
    "F18": ("bytes that are not UTF-8, BOM, CR, U+2028 in text", "placed by file, line and byte, or kept; sides never shift"),
    "F19": ("empty lines, a corpus without text, no final newline", "counted, by policy; refused before a model is built"),
    "F20": ("very long lines", "truncated, skipped or refused by policy, with the line"),
    "F21": ("unequal numbers of lines", "refused with both counts and where they part"),
    "F22": ("another or damaged vocabulary", "refused"),
    "F23": ("training text that changed between start and resume", "refused"),
    "F24": ("damaged stores of binarised text", "noticed and built again"),
    "F25": ("odd paths, locale C, no HOME, read-only installation, a clock that jumps back", "runs"),
    "F26": ("a tracker that fails", "training is unaffected; one warning"),
    "F27": ("a hook that raises", "the run ends with the plugin's name and version"),
    "F28": ("several settings wrong at once", "all told in one go, without torch"),
    "F29": ("a checkpoint of every format ever released; of a newer one", "loads; refused, with the version"),
    "F30": ("many steps with saves and validations", "memory, files and threads stay constant"),
    "F31": ("any bytes, and changed ones, in every file that is read", "read rightly, or refused by the file's name"),
    "F32": ("lost at an epoch's end, within one, within a validation: each model, each feature", "ends bit for bit as if left alone"),
    "F33": ("a full disk between saves: metrics, log, trackers", "told with the path; they wait whole, or the run stops, by policy"),
    "F34": ("SIGHUP, once and again, from a terminal that is gone; under nohup", "saved, exit code 129; ignored under nohup"),
    "F35": ("standard streams that are closed, full, or whose reader has left", "training goes on; others end without a traceback"),
    "F36": ("each call that changes a file fails, once or from then on, with each error", "told or made up for; the same command ends with the bits of an undisturbed run"),
    "F37": ("power lost at any time, by the order in which files reach the disk", "what a checkpoint needs is there before it is"),
    "F38": ("retention, while another process reads the checkpoint", "the reader takes the next one; a good one always stays"),
    "F39": ("a run folder moved, deleted or replaced while it trains", "the run stops and says so; nothing is written into what came in its place"),
}  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the reports carry the ids, from worker processes too."""
    for item in items:
        item.user_properties += [("fault", each) for mark in item.iter_markers("fault") for each in mark.args]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, if faults were what was asked for."""
    if not re.search(r"\bfault\b", terminalreporter.config.getoption("markexpr")):
        return
    seen: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    inputs: dict[str, int] = defaultdict(int)  # of tests that try many in one trial
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            properties = getattr(report, "user_properties", ())
            for name, value in properties:
                if name == "fault":
                    seen[value][outcome] += 1
                    inputs[value] += sum(each for what, each in properties if what == "inputs")
    terminalreporter.section("faults")
    terminalreporter.write_line("| fault | injected | expected | trials | observed |\n|---|---|---|---|---|")
    for fault, (injected, expected) in FAULTS.items():
        counts = seen.get(fault, {})
        wrong = counts.get("failed", 0) + counts.get("error", 0)
        trials = counts.get("passed", 0) + wrong
        observed = "NOT as expected" if wrong else "as expected" if trials else "NOT TRIED"
        skipped = f", {counts['skipped']} skipped" if counts.get("skipped") else ""
        tried = f"{trials} ({inputs[fault]:,} inputs)" if inputs[fault] else f"{trials}"
        terminalreporter.write_line(
            f"| {fault} | {injected} | {expected} | {tried} | {observed}{f' ({wrong})' if wrong else ''}{skipped} |"
        )
    print_calls(terminalreporter)


def print_calls(terminalreporter: pytest.TerminalReporter) -> None:
    """Print which calls were made to fail with which errors, at how many places, and what came of it."""
    tried: dict[str, Counter[str]] = defaultdict(Counter)
    for report in terminalreporter.stats.get("passed", []):
        for name, value in getattr(report, "user_properties", ()):
            if name == "call":
                kind, error, outcome = value.split("|")
                tried[kind].update((error, outcome))
    errors = sorted({each for counts in tried.values() for each in counts if each.isupper()})
    columns = [*errors, "went on", "told", "no such call"]
    terminalreporter.write_line(f"\n| call | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for kind, counts in tried.items():
        terminalreporter.write_line(f"| {kind} | {' | '.join(str(counts[each]) for each in columns)} |")
