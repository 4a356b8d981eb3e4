"""
Each call of the system that has to do with a run's files fails once, or from then on, as SQLite's own tests have it.

The run says what cannot be done and ends, or makes up for it; then the same command ends with the bits of a run that
nothing happened to.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from forked_runs import ForkedRuns, everything, forked_runs
from seqtrain.run.compare import differing
from tiny_runs import WORDS

pytestmark = [pytest.mark.slow, pytest.mark.fault("F36")]

ALL_TRIALS = os.environ.get("SEQTRAIN_FAULT_TRIALS") == "all"  # as `nox -s faults` sets it; else a part of them
STEPS = 6
SETTINGS = {  # one epoch
    **WORDS,
    "task.generation.max_len_a": 0,
    "task.generation.max_len_b": 1,
    "model.dropout": 0.3,
    "data.max_sentences": 16,
    "trainer.max_steps": STEPS,
    "trainer.validate": "{steps: 3}",
    "trackers.tensorboard": "{}",
    "checkpoint.save": "{steps: 2}",
    "checkpoint.keep_last": 1,
    "checkpoint.keep_best": 1,
    "checkpoint.retries": 0,
    "checkpoint.asynchronous": "false",  # so that the nth call is the same one in every run
}
KINDS = ("open", "write", "fsync", "rename", "unlink", "mkdir", "flock")
ERRORS = ("ENOSPC", "EIO", "EDQUOT", "EROFS", "EINTR")
SWEEPS = [(kind, error, lasting) for kind in KINDS for error in ERRORS for lasting in (False, True)]
LASTING_PLACES = 4  # of so many one, where calls go on failing
SAMPLE = {  # a few of all kinds: each with how many places
    ("open", "EIO", False): 2,
    ("write", "ENOSPC", False): 4,
    ("write", "ENOSPC", True): 2,
    ("write", "EINTR", False): 1,
    ("fsync", "EIO", False): 2,
    ("rename", "EDQUOT", False): 2,
    ("unlink", "EROFS", False): 1,
    ("mkdir", "ENOSPC", False): 1,
    ("flock", "EIO", False): 1,
}


@pytest.fixture(scope="module")
def runs(shared_places: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedRuns]:
    """Start the process that forks the runs, with the library in it that lets calls fail."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    library = tmp_path_factory.mktemp("library") / "failing_calls.so"
    source = Path(__file__).with_name("failing_calls.c")
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    with forked_runs(shared_places[0], SETTINGS, LD_PRELOAD=str(library)) as runs:
        yield runs


def result(root: Path) -> dict[str, Any]:
    """
    Return what a run leaves, less TensorBoard's files, whose names have the time in them.

    An end of an epoch and the beginning of the next are the same place; a last save that is tried again says the latter.
    """
    found = {name: value for name, value in everything(root, STEPS).items() if "tfevents" not in name}
    if found.pop("progress.epoch_ended"):
        found |= {"progress.epoch": found["progress.epoch"] + 1, "progress.cursor": 0, "progress.plan": ""}
    return found


def learned(found: dict[str, Any]) -> dict[str, Any]:
    """Leave out the list of files: what cannot be deleted is told, and goes with the next start."""
    return {name: value for name, value in found.items() if not name.startswith(("folder.", "pointers."))}


@pytest.fixture(scope="module")
def undisturbed(runs: ForkedRuns, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, int]]:
    """What a run leaves that nothing happens to, and how many calls of each kind it makes."""
    root = tmp_path_factory.mktemp("undisturbed") / "root"
    runs.run(root)  # after which all is imported
    shutil.rmtree(root)
    ended = runs.run(root)
    assert ended["code"] == 0, ended["said"]
    return result(root), ended["counts"]


@pytest.fixture
def survives(runs: ForkedRuns, undisturbed: tuple[dict[str, Any], Any], tmp_path: Path) -> Callable[..., str]:
    """Let calls fail, and check how the run ends and what the same command makes of it; return how that was."""

    def survives(kind: str, error: str, nth: int, *, lasting: bool, **changed: Any) -> str:
        root = tmp_path / f"{nth}"
        ended = runs.run(root, fail=[kind, getattr(errno, error), nth, lasting], **changed)
        said = f"{kind} {nth} {error} at {ended.get('failed_at')}: {ended['code']}\n{ended['said']}"
        assert ended["code"] in (0, 1, 2, 5), said
        assert "Traceback" not in said, said
        assert "unexpected" not in said, said
        outcome = "no such call" if not ended["failed_at"] else "went on" if ended["code"] == 0 else "told"
        if ended["code"]:
            assert re.search(rf"seqtrain: error: .*{re.escape(str(tmp_path))}", said), said
        else:
            assert differing(learned(undisturbed[0]), learned(result(root))) == [], said
        if ended["code"] or differing(undisturbed[0], result(root)):
            again = runs.run(root, **changed)
            assert again["code"] == 0, said + again["said"]
        assert differing(undisturbed[0], result(root)) == [], said
        shutil.rmtree(root)
        return outcome

    return survives


@pytest.mark.parametrize(
    ("kind", "error", "lasting"), SWEEPS if ALL_TRIALS else list(SAMPLE), ids=lambda each: str(each).lower()
)
def test_any_call_may_fail(survives, undisturbed, record_property, kind, error, lasting):
    """Nothing is lost, and nothing is silent."""
    count = undisturbed[1][kind]
    places = range(1, count + 1, LASTING_PLACES if lasting else 1)
    if not ALL_TRIALS:
        wanted = SAMPLE[kind, error, lasting]
        places = [round((index + 0.5) * count / wanted) or 1 for index in range(wanted)]
    for number, nth in enumerate(places):
        outcome = survives(kind, error, nth, lasting=lasting)
        record_property("call", f"{kind}|{error}|{outcome}")
        if number:  # the first trial is this test
            record_property("fault", "F36")
