"""A long run takes no more memory, files and threads than a short one, and a killed one leaves no process behind."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ALL_TRIALS = os.environ.get("SEQTRAIN_FAULT_TRIALS") == "all"
STEPS = 2000 if ALL_TRIALS else 200
WARM_UP = STEPS // 4
SETTINGS = (
    *("task.dummy.examples=64", "task.dummy.valid_examples=8", "task.dummy.length=9", "task.dummy.min_length=4"),
    *("task.dummy.vocab_size=40", "model.layers=1", "model.embed_dim=16", "model.ffn_dim=32"),
    *(
        "model.attention_heads=2",
        "data.max_sentences=8",
        "data.prefetch=3",
        "distributed.device=cpu",
    ),  # 8 steps an epoch
    *("trainer.max_epochs=null", f"trainer.max_steps={STEPS}", "trainer.patience=null", "trainer.validate={steps: 10}"),
    *("checkpoint.save={steps: 5}", "checkpoint.keep_last=2", "logging.every={steps: 1}", "callbacks.watcher={}"),
)

WATCHER = """
import gc
import json
import os
from pathlib import Path

from seqtrain.plugin import Component, hookimpl

PROCESS = Path("/proc/self")


def files():
    for each in (PROCESS / "fd").iterdir():
        try:
            path = os.readlink(each)
        except FileNotFoundError:
            continue  # the one that lists them
        if "/tensorboard/" not in path:  # whose writer, a thread, may be at work
            yield path


class Watcher:
    def __init__(self, config):
        self.notes = Path(os.environ["NOTES"]).open("a")

    def note(self, **what):
        self.notes.write(json.dumps(what) + "\\n")
        self.notes.flush()

    @hookimpl
    def seqtrain_step_end(self, trainer):
        step = trainer.progress.step
        self.note(step=step, threads=len(os.listdir(PROCESS / "task")))
        if step % 20 == 0:
            gc.collect()  # what waits for it would hide a leak
            pages = int((PROCESS / "statm").read_text().split()[1])
            self.note(step=step, kilobytes=pages * os.sysconf("SC_PAGE_SIZE") / 1024)

    @hookimpl
    def seqtrain_checkpoint_saved(self, trainer):
        shared = "/dev/shm" in (PROCESS / "maps").read_text()
        self.note(step=trainer.progress.step, files=sorted(files()), shared=shared)

    @hookimpl
    def seqtrain_run_end(self, trainer):
        try:
            children = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            children = None
        self.note(children=children)


@hookimpl
def seqtrain_components():
    yield Component(kind="callback", name="watcher", ref=__name__ + ":Watcher")
"""


@pytest.fixture
def start_watched(cli_process, plugin_folder, tmp_path, monkeypatch) -> Callable[[], Any]:
    """Start a run on made-up data in a session of its own; what is seen in it goes to `tmp_path / "notes"`."""
    monkeypatch.setenv("PYTHONPATH", str(plugin_folder("watcher", WATCHER)), prepend=os.pathsep)
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    places = ("--run-dir", tmp_path / "run", f"data.cache_dir={tmp_path / 'cache'}")
    return lambda: cli_process("train", "--task", "lm", *SETTINGS, *places, start_new_session=True)


def notes(folder: Path, key: str) -> list[dict[str, Any]]:
    """Return what the watcher noted, those with that key."""
    lines = (folder / "notes").read_text().splitlines(keepends=True) if (folder / "notes").exists() else []
    read = [json.loads(line) for line in lines if line.endswith("\n")]
    return [each for each in read if key in each]


def processes_of_session(session: int) -> list[int]:
    """Return the processes there are in a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == session:
            found.append(int(stat.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.fault("F30")
def test_memory_files_and_threads_stay_as_they_are(start_watched, tmp_path, record_property):
    """With saves, validations, and a thread for each of many epochs; and no process is started at all."""
    process = start_watched()
    _, err = process.communicate()
    assert process.returncode == 0, err.decode()

    memory, threads, saved = (notes(tmp_path, key) for key in ("kilobytes", "threads", "files"))
    late = [each for each in memory if each["step"] >= WARM_UP]
    growth = late[-1]["kilobytes"] - late[0]["kilobytes"]
    record_property("kilobytes", (memory[0]["kilobytes"], late[0]["kilobytes"], late[-1]["kilobytes"]))
    record_property("threads", max(each["threads"] for each in threads))
    record_property("files", len(saved[-1]["files"]))
    assert growth < 512
    assert [each["step"] for each in threads] == list(range(1, STEPS + 1))
    assert {each["threads"] for each in threads[WARM_UP:]} <= {each["threads"] for each in threads[:WARM_UP]}
    assert len(saved) == STEPS // 5
    assert all(each["files"] == saved[2]["files"] for each in saved[2:])  # at the second, validation data is opened
    assert not any(each["shared"] for each in saved)
    assert [each["children"] for each in notes(tmp_path, "children")] == [None]


@pytest.mark.fault("F30")
def test_a_killed_run_leaves_no_process_and_no_shared_memory(start_watched, tmp_path):
    """Batches are made ahead by a thread, which shares nothing by way of the system."""
    process = start_watched()
    while len(notes(tmp_path, "files")) < 2 and process.poll() is None:
        time.sleep(0.02)
    assert process.pid in processes_of_session(process.pid)

    process.kill()
    _, err = process.communicate()

    assert process.returncode == -signal.SIGKILL, err.decode()
    assert processes_of_session(process.pid) == []
    assert not [each for each in Path("/dev/shm").iterdir() if str(process.pid) in each.name]
    assert not any(each["shared"] for each in notes(tmp_path, "files"))


@pytest.mark.fault("F10")
def test_verify_resume_ended_by_sigterm_takes_the_run_that_it_tries_along(cli_process, tmp_path, monkeypatch):
    """Which would train for days, where nobody looks; and nothing stays on the disk."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    settings = [each for each in SETTINGS if "watcher" not in each]
    process = cli_process("verify-resume", "--task", "lm", *settings, "--steps", STEPS, start_new_session=True)
    while not list(tmp_path.glob("seqtrain-*/straight/train.log")) and process.poll() is None:
        time.sleep(0.02)
    assert len(processes_of_session(process.pid)) == 2

    process.terminate()
    _, err = process.communicate()

    assert process.returncode == 143, err.decode()
    assert processes_of_session(process.pid) == []
    assert list(tmp_path.glob("seqtrain-*")) == []
