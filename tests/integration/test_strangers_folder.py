"""
A run folder from a stranger, with every trick at once and each by itself.

Nothing outside it is read into it, written, removed or run; nobody waits at a pipe; every refusal is one of ours.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from planted import AS_FINISHED, plant

SECONDS = 240  # for some commands; one that waits at a pipe has no end
FILES = ["config.yaml", "environment.json", "init_from.json", "train.log", "metrics.jsonl", "lock"]
FOLDERS = ["task", "checkpoints", "tensorboard"]
IN_FOLDERS = [
    "task/tokenizers/shared/vocabulary.json",
    "task/more",
    "checkpoints/last",
    "checkpoints/step-00000006",
    "checkpoints/step-00000006/model.safetensors",
    "checkpoints/.step-00000009.old-1",
    "tensorboard/events.out.tfevents.1.host.1.0",
]
BOMB = "".join(f"  - ${{task.train[{i}]}}${{task.train[{i}]}}\n" for i in range(40))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What the user has: files that the tricks are after."""
    folder = tmp_path / "home"
    for name in ("notes.txt", "stop", "models/mine.bin", "task/words"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"mine: {name}\n")
    return folder


def tree(folder: Path) -> dict[str, Any]:
    """Return all that is in a folder, and what would tell that a file was written anew."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        is_file = path.is_file() and not path.is_symlink()
        found[str(path.relative_to(folder))] = (facts.st_mode, facts.st_ino, is_file and path.read_bytes())
    return found


def change_config(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    change(config)
    (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def quiet_tricks(run: Path, home: Path) -> None:
    """Do all that a command need not refuse, as it does nothing."""
    plant(run, home / "canary")
    for pid in range(1, 2000):  # the names of temporary files can be guessed
        (run / f".probe.tmp-{pid}").symlink_to(home / "notes.txt")
    (run / f".config.yaml.tmp-{os.getpid()}").hardlink_to(home / "notes.txt")
    (run / f".metrics.jsonl.tmp-{os.getpid()}").hardlink_to(home / "notes.txt")
    (run / f".environment.json.tmp-{os.getpid()}").symlink_to(home / "notes.txt")
    (run / f".probe.tmp-{os.getpid()}").hardlink_to(home / "notes.txt")
    (run / ".gone.tmp-1").symlink_to(home / "models")  # what a killed run left is cleared away
    launcher = {"name": "submitit", "executor": "local", "folder": str(home / "jobs")}

    def change(config: dict[str, Any]) -> None:
        config["trainer"]["stop_file"] = str(home / "stop")
        config["data"]["cache_dir"] = str(home / "cache")
        config["distributed"] |= {"launcher": launcher, "rendezvous": "127.0.0.1:1"}

    change_config(run, change)


def loud_tricks(run: Path, home: Path) -> None:
    """Do all that is to be refused."""
    instead_of(run / "checkpoints/step-00000003", lambda path: path.symlink_to(home / "models"))
    for name in (each for each in IN_FOLDERS if not each.endswith("step-00000006")):
        instead_of(run / name, lambda path: path.symlink_to(home / "notes.txt"))
    for name, pipe in [("train.log", True), ("metrics.jsonl", False), ("lock", False), ("environment.json", True)]:
        instead_of(run / name, os.mkfifo if pipe else lambda path: path.symlink_to(home / "notes.txt"))
    (run / "checkpoints" / "best").write_text("../../home")
    change_config(run, lambda config: config["trainer"].update(best_metric="${oc.env:HOME}"))


def instead_of(path: Path, make: Callable[[Path], object]) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    make(path)


RUNNER = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from seqtrain.cli.main import main

told = []
for command in json.loads(sys.argv[1]):
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = main(command)
    told.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(told))
"""


def run_commands(*commands: tuple[str | Path, ...], cwd: Path, home: Path) -> list[tuple[int, str, str]]:
    """Run command lines one after the other, in a process that may not wait for ever; return code, stdout, stderr."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    script = home.parent / "elsewhere" / "runner.py"
    script.parent.mkdir(exist_ok=True)
    script.write_text(RUNNER)
    done = subprocess.run(
        [sys.executable, script, json.dumps([[str(word) for word in command] for command in commands])],
        cwd=cwd,
        env={**environment, "HOME": str(home), "XDG_CACHE_HOME": str(home.parent / "users-cache")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    return [(code, out, err) for code, out, err in json.loads(done.stdout.splitlines()[-1])]


@pytest.mark.parametrize("which", ["loud", "bomb"])
@pytest.mark.fault("F9")
def test_a_folder_with_every_trick_is_refused_by_every_command(copied, home, which: str) -> None:
    """In words of ours, by those that would open the folder and those that are told its configuration."""
    run, source, config = copied.run, copied.corpus / "test.en", copied.run / "config.yaml"
    quiet_tricks(run, home)
    if which == "loud":
        loud_tricks(run, home)
    else:
        config.write_text(config.read_text().replace(f"  train: {copied.corpus / 'train'}\n", f"  train:\n{BOMB}"))
    before, run_before = tree(home), tree(run)

    told = run_commands(
        ("predict", run, "--input", source, "--output", copied.folder / "out"),
        ("evaluate", run),
        ("train", "--run-dir", run),
        ("verify-resume", config, "--steps", "2"),
        ("checkpoints", "average", run, "--last", "2"),
        ("train", *copied.settings(), "--run-dir", copied.folder / "new", "--init-from", run),
        ("train", *copied.settings(**AS_FINISHED, trainer__max_steps=9), "--run-dir", run),
        cwd=run,
        home=home,
    )

    assert {3, 5} >= {code for code, _, _ in told}, told
    assert all("seqtrain: error: " in err and "Traceback" not in err for _, _, err in told), told
    assert before == tree(home)
    assert not (copied.folder / "out").exists()
    assert which == "bomb" or run_before == tree(run)  # training clears away what a killed run has left


@pytest.mark.fault("F9")
def test_what_is_not_refused_does_nothing(copied, home) -> None:
    """To predict and to measure writes nowhere; to train writes into the run; each as if there were no trick."""
    run, source, output = copied.run, copied.corpus / "test.en", copied.folder / "out"
    quiet_tricks(run, home)
    before, run_before = tree(home), tree(run)

    told = run_commands(
        ("predict", run, "--workers", "2", "--input", source, "--output", output),
        ("evaluate", run),
        ("verify-resume", run / "config.yaml", "--steps", "1", "trainer.max_steps=null"),
        cwd=run,
        home=home,
    )
    assert [0, 0, 0] == [code for code, _, _ in told], told
    assert len(output.read_text().splitlines()) == len(source.read_text().splitlines())
    assert run_before == tree(run)
    assert before == tree(home)

    ((code, _, err),) = run_commands(("train", "--run-dir", run, "trainer.max_steps=7"), cwd=run, home=home)
    assert code == 0, err
    for key in ("trainer.stop_file", "data.cache_dir", "distributed.launcher", "distributed.rendezvous"):
        assert f"{key} is ignored" in err
    assert before == tree(home)
    assert "step-00000007" in copied.checkpoints()


EACH = {
    **{f"{name} is a link": (name, lambda path, home: path.symlink_to(home / "notes.txt")) for name in FILES},
    **{f"{name} is a link": (name, lambda path, home: path.symlink_to(home / "task")) for name in FOLDERS},
    **{f"{name} is a link": (name, lambda path, home: path.symlink_to(home / "notes.txt")) for name in IN_FOLDERS},
    **{f"{name} is a pipe": (name, lambda path, _: os.mkfifo(path)) for name in (*FILES, *FOLDERS, *IN_FOLDERS)},
}


@pytest.mark.parametrize("trick", EACH)
@pytest.mark.fault("F9")
def test_each_link_and_pipe_is_refused(copied, home, cli, trick: str) -> None:
    """By its name, by every command that opens a run."""
    name, make = EACH[trick]
    instead_of(copied.run / name, lambda path: make(path, home))
    before = tree(home)

    for words in (
        ("predict", copied.run, "--input", copied.corpus / "test.en", "--output", copied.folder / "out"),
        ("evaluate", copied.run),
        ("checkpoints", "list", copied.run),
        ("train", "--run-dir", copied.run),
        ("train", *copied.settings(**AS_FINISHED), "--run-dir", copied.run),
        ("train", *copied.settings(**AS_FINISHED), "--run-dir", copied.run, "--fresh"),
    ):
        outcome = cli(*words)

        assert outcome.code == 5, outcome.err
        assert str(copied.run / name) in outcome.err
    assert before == tree(home)


@pytest.mark.parametrize("name", ["train.log", "metrics.jsonl", "lock"])
@pytest.mark.fault("F9")
def test_a_second_name_of_a_file_is_not_written(copied, home, name: str) -> None:
    """Which training would do, as these files grow in their place."""
    instead_of(copied.run / name, lambda path: path.hardlink_to(home / "notes.txt"))
    before = tree(home)

    outcome = copied.train(**AS_FINISHED, trainer__max_steps=9)

    assert outcome.code == 5
    assert f"{copied.run / name} has another name elsewhere" in outcome.err
    assert before == tree(home)


@pytest.mark.parametrize("pointer", ["last", "best"])
@pytest.mark.parametrize("target", ["../../home", "/etc", "..", ".", "step-00000006/../../../home", "a\nb"])
@pytest.mark.fault("F9")
def test_a_pointer_names_a_checkpoint_beside_it(copied, cli, pointer: str, target: str) -> None:
    """And nothing else."""
    (copied.run / "checkpoints" / pointer).write_text(target)

    outcome = cli("evaluate", copied.run, "--checkpoint", pointer)

    assert outcome.code == 5
    assert f"checkpoints/{pointer} holds" in outcome.err
