"""
What is on the disk itself when the power fails, by the order of calls as strace has seen them.

A write, a new name and a removed one may be lost until the file, or the folder that has the name, was flushed. So when
`last` comes to name a checkpoint, all that this one is of no use without has to have been flushed since it changed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.fault("F37")]

CALLS = "openat,open,creat,write,writev,pwrite64,ftruncate,fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat"
CALL = re.compile(r"^(?P<process>\d+) +(?:<\.\.\. )?(?P<name>\w+)(?:\(| resumed>)(?P<rest>.*)$")
FILE = re.compile(r"^\d+<(?P<path>/[^>]*)>")
NAMES = re.compile(r'"(?P<path>[^"]*)"')
CHECKPOINT = ("manifest.json", "model.safetensors", "optimizer.safetensors", "state.json", "state.safetensors")
STEPS = 1200 if os.environ.get("SEQTRAIN_FAULT_TRIALS") == "all" else 30  # a minute and more, or a few seconds
SETTINGS = {
    "trainer__max_steps": STEPS,
    "trainer__validate": "{steps: 10}",
    "checkpoint__save": "{steps: 4}",
    "checkpoint__keep_last": 2,
    "checkpoint__asynchronous": "false",  # else lines of later steps are written meanwhile, which need not be there
    "trackers__tensorboard": "{}",
}


def calls(trace: Path) -> Iterator[tuple[str, list[str], bool]]:
    """
    Yield calls by name, with the paths that they are about.

    A call that another process came into is there twice: when it began, and when it was over, which is True.
    """
    begun: dict[str, str] = {}
    for line in trace.read_text(errors="replace").splitlines():
        found = CALL.match(line)
        if found is None:
            continue
        process, name, rest = found["process"], found["name"], found["rest"]
        if "<unfinished ...>" in rest:
            begun[process] = rest
        if "resumed>" in line[: len(line) - len(rest)]:
            rest = begun.pop(process, "") + rest
        is_over = "<unfinished ...>" not in found["rest"]
        if is_over and re.search(r"= -\d", rest):
            continue
        file = FILE.match(rest)
        paths = [file["path"]] if file else [each["path"] for each in NAMES.finditer(rest)]
        opens_to_make = "O_CREAT" in rest if name.startswith("open") else True
        if opens_to_make and paths:
            yield name, paths, is_over


@dataclass
class Disk:
    """
    What may be lost: files with content, and folders with names, that were not flushed since they changed.

    Args:
        root: what does not lie below this folder does not count.
    """

    root: Path
    contents: set[Path] = field(default_factory=set)
    names: dict[Path, set[Path]] = field(default_factory=dict)

    def see(self, name: str, paths: list[str], *, is_over: bool) -> None:
        """Note a call."""
        path = Path(paths[0])
        if name in ("write", "writev", "pwrite64", "ftruncate"):
            self.contents.add(path)
        elif name in ("fsync", "fdatasync") and is_over:
            self.contents.discard(path)
            self.names.pop(path, None)
        elif name.startswith("rename") and is_over:
            self._move(path, Path(paths[-1]))
        elif name.startswith(("open", "creat", "mkdir")) and is_over:
            self._name(path)

    def lacks(self, needed: Path) -> list[str]:
        """Say why a file might not be there, or not be whole, after the power had failed now."""
        content = [f"the content of {needed}"] if needed in self.contents else []
        named = [each for each in (needed, *needed.parents) if each.is_relative_to(self.root)]
        return content + [f"the name of {each}" for each in named if each in self.names.get(each.parent, ())]

    def _name(self, path: Path) -> None:
        self.names.setdefault(path.parent, set()).add(path)

    def _move(self, old: Path, new: Path) -> None:
        def moved(path: Path) -> Path:
            return new / path.relative_to(old) if path.is_relative_to(old) else path

        self.contents = {moved(each) for each in self.contents}
        self.names = {moved(folder): {moved(each) for each in names} for folder, names in self.names.items()}
        self._name(new)


@pytest.fixture(scope="module")
def strace() -> list[str]:
    """Return the beginning of a command line, or skip the test where nobody may trace a process."""
    program = shutil.which("strace")
    if program is None or subprocess.run([program, "-o", "/dev/null", "true"], check=False).returncode:
        pytest.skip("there is no strace here, or nobody may use it")
    return [program, "-f", "-y", "-s", "4096", "-e", f"trace={CALLS}"]


def test_what_a_checkpoint_needs_is_flushed_before_it_is_pointed_at(workshop, strace, tmp_path, record_property):
    """The checkpoint, the lines of metrics.jsonl, the task's files, the configuration: contents and names."""
    root, trace = tmp_path / "new" / "folders", tmp_path / "trace"
    run = root / "run"
    command = [*strace, "-o", str(trace), sys.executable, "-m", "seqtrain", "train"]
    arguments = [*workshop.settings(**SETTINGS), "--run-dir", str(run)]

    subprocess.run([*command, *arguments], check=True, capture_output=True, timeout=600)

    disk, published, lost, seen, step = Disk(tmp_path), 0, [], 0, ""
    for name, paths, is_over in calls(trace):
        if is_over and name.startswith("rename") and Path(paths[-1]).name.startswith("step-"):
            step = Path(paths[-1]).name
        if not is_over or not name.startswith("rename") or Path(paths[-1]) != run / "checkpoints" / "last":
            disk.see(name, paths, is_over=is_over)
            seen += str(run) in paths[0]
            continue
        published += 1
        needed = [
            *(each for each in (run / "task").rglob("*") if each.is_file()),
            *(run / "checkpoints" / step / each for each in CHECKPOINT),
            *(run / each for each in ("metrics.jsonl", "config.yaml")),
        ]
        lost += [f"{step}: {why}" for each in needed for why in disk.lacks(each)]
        lost += [f"{step}: the pointer's content" for each in paths[:1] if Path(each) in disk.contents]
        disk.see(name, paths, is_over=is_over)
    record_property("inputs", seen)

    assert step == f"step-{STEPS:08d}"
    assert published > STEPS / 4  # each fourth, and the best validations
    assert seen > 300
    assert lost == []
