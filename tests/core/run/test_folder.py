"""A run's folder: what lies where, one run at a time, and nothing lost by starting afresh."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from seqtrain.errors import CheckpointError, TrainingError, UsageError
from seqtrain.run.folder import RunFolder

HOLDER = """
import sys, time
from pathlib import Path
from seqtrain.run.folder import RunFolder
with RunFolder(Path(sys.argv[1])).lock():
    print("locked", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Return a run folder that was made."""
    made = RunFolder(tmp_path / "run")
    made.create()
    return made


@pytest.fixture
def holder(folder: RunFolder):
    """Start another process that holds the folder's lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder.path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_files_have_the_names_of_the_design(tmp_path: Path) -> None:
    """Users and other programs rely on them."""
    folder = RunFolder(tmp_path)

    assert folder.config == tmp_path / "config.yaml"
    assert folder.environment == tmp_path / "environment.json"
    assert folder.train_log == tmp_path / "train.log"
    assert folder.metrics == tmp_path / "metrics.jsonl"
    assert folder.tensorboard == tmp_path / "tensorboard"
    assert folder.task == tmp_path / "task"
    assert folder.checkpoints == tmp_path / "checkpoints"


def test_create_makes_the_folders_and_leaves_no_trace(tmp_path: Path) -> None:
    """Twice is no error; spaces and letters of other scripts are none either."""
    folder = RunFolder(tmp_path / "a" / "Läufe und 実験")
    folder.create()
    folder.create()

    assert sorted(each.name for each in folder.path.iterdir()) == ["checkpoints", "task"]
    assert not folder.exists_run()


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of the working directory does not move the run."""
    monkeypatch.chdir(tmp_path)
    folder = RunFolder(Path("run"))
    monkeypatch.chdir("/")

    assert tmp_path / "run" == folder.path


def test_a_run_exists_from_its_config_or_its_checkpoints(folder: RunFolder) -> None:
    """Either is worth keeping."""
    (folder.checkpoints / "step-00000001").mkdir()
    assert folder.exists_run()
    (folder.checkpoints / "step-00000001").rmdir()
    folder.config.write_text("task: {}")
    assert folder.exists_run()


@pytest.mark.parametrize("below", ["", "run"])
def test_a_file_in_the_way_is_a_usage_error(tmp_path: Path, below: str) -> None:
    """At the path itself or above it."""
    (tmp_path / "file").write_text("x")

    with pytest.raises(UsageError, match=r"is a file.*--run-dir"):
        RunFolder(tmp_path / "file" / below).create()


OWN_FILES = ["config.yaml", "environment.json", "init_from.json", "train.log", "metrics.jsonl", "lock"]
OWN_FOLDERS = ["task", "checkpoints", "tensorboard"]


def to_canary(path: Path) -> None:
    path.symlink_to(path.parents[1] / "canary")


@pytest.mark.parametrize("name", OWN_FILES)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, to_canary, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_refused_before_it_is_opened(folder: RunFolder, name: str, make) -> None:
    """A pipe would be waited for without end; a link may lead anywhere, be there a file or not."""
    make(folder.path / name)

    for action in (folder.create, folder.require_run, folder.refuse_links):
        with pytest.raises(CheckpointError, match=rf"run/{name} is (a symbolic link|not a plain file).*or remove it"):
            action()
    assert not (folder.path.parent / "canary").exists()


@pytest.mark.parametrize("name", [*OWN_FOLDERS, "task/a", "checkpoints/last", "checkpoints/.x.tmp-1", "task/a/b/c"])
@pytest.mark.parametrize("make", [os.mkfifo, to_canary, lambda path: path.symlink_to("/")])
def test_what_leads_out_of_a_subfolder_is_refused(tmp_path: Path, name: str, make) -> None:
    """The folders themselves, and everything in them, however deep."""
    folder = RunFolder(tmp_path / "run")
    path = folder.path / name
    path.parent.mkdir(parents=True)
    make(path)

    with pytest.raises(CheckpointError, match=rf"run/{name} is (a symbolic link|not a plain file)"):
        folder.refuse_links()


def test_the_run_folder_itself_may_be_a_link(folder: RunFolder, tmp_path: Path) -> None:
    """The user has named it; and a file that is in nobody's way may be one, too."""
    (tmp_path / "link").symlink_to(folder.path)
    (folder.path / "notes.txt").symlink_to(tmp_path / "elsewhere")

    RunFolder(tmp_path / "link").create()


def test_a_tracker_may_link_within_its_folder(folder: RunFolder, tmp_path: Path) -> None:
    """As some do for their newest run; not out of it, and not by the folder itself."""
    place = folder.path / "wandb"
    (place / "run-1").mkdir(parents=True)
    (place / "latest-run").symlink_to("run-1")
    assert place == folder.of_tracker("wandb")

    (place / "log").symlink_to(tmp_path / "canary")
    with pytest.raises(CheckpointError, match="wandb/log is a symbolic link"):
        folder.of_tracker("wandb")
    (folder.path / "mlflow").symlink_to(place)
    with pytest.raises(CheckpointError, match="mlflow is a symbolic link"):
        folder.of_tracker("mlflow")


@pytest.mark.parametrize("name", ["train.log", "metrics.jsonl", "lock"])
def test_a_file_that_is_written_in_place_has_no_second_name(folder: RunFolder, tmp_path: Path, name: str) -> None:
    """To train would change the other one as well; reading is no harm."""
    canary = tmp_path / "canary"
    canary.write_text("mine")
    (folder.path / name).hardlink_to(canary)

    folder.refuse_links()
    with pytest.raises(CheckpointError, match=rf"{name} has another name elsewhere .*cp {name} copy"):
        folder.create()
    assert canary.read_text() == "mine"


def test_nothing_is_written_through_a_planted_name(folder: RunFolder, tmp_path: Path) -> None:
    """The names of temporary files can be guessed: a link or a second name there is replaced."""
    canary = tmp_path / "canary"
    canary.write_text("mine")
    for name, plant in [
        ("probe", Path.symlink_to),
        ("config.yaml", Path.hardlink_to),
        ("init_from.json", Path.symlink_to),
    ]:
        plant(folder.path / f".{name}.tmp-{os.getpid()}", canary)

    folder.create()
    folder.write_config("task: {}")
    folder.write_init_from({})

    assert canary.read_text() == "mine"
    assert folder.config.read_text() == "task: {}"


@pytest.mark.parametrize(
    ("code", "reason"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "permission denied")],
)
@pytest.mark.fault("F4")
def test_a_folder_that_cannot_be_written_is_named(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, code: int, reason: str
) -> None:
    """Before anything is computed; the probe writes a byte, for a full disk still makes empty files."""

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(CheckpointError, match=rf"Cannot write in the run's folder .*run: .*{reason}.*--run-dir"):
        folder.create()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    """The system's real refusal."""
    tmp_path.chmod(0o500)

    with pytest.raises(CheckpointError, match="permission denied"):
        RunFolder(tmp_path / "run").create()
    tmp_path.chmod(0o700)


@pytest.mark.runs
@pytest.mark.fault("F17")
def test_a_second_run_in_one_folder_is_refused(folder: RunFolder, holder: subprocess.Popen[str]) -> None:
    """The message names process and host, and what to do."""
    with pytest.raises(UsageError) as caught, folder.lock():
        pass

    assert f"process {holder.pid} on {socket.gethostname()}" in str(caught.value)
    assert "--run-dir" in str(caught.value)


@pytest.mark.runs
@pytest.mark.fault("F17")
def test_a_killed_run_leaves_no_lock(folder: RunFolder, holder: subprocess.Popen[str]) -> None:
    """SIGKILL gives it no chance to tidy up, and none is needed."""
    holder.send_signal(signal.SIGKILL)
    holder.wait()

    with folder.lock():
        assert f"process {os.getpid()} on" in (folder.path / "lock").read_text()


def test_the_lock_is_given_back(folder: RunFolder) -> None:
    """After success and after failure; within one process too it is exclusive."""
    with folder.lock(), pytest.raises(UsageError, match=f"process {os.getpid()}"), folder.lock():
        pass
    with pytest.raises(ZeroDivisionError), folder.lock():
        raise ZeroDivisionError
    with folder.lock():
        pass

    assert (folder.path / "lock").read_text() == ""


@pytest.mark.fault("F4")
def test_a_file_system_without_locks_gets_a_warning(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Training is possible there, at the user's own risk."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with caplog.at_level(logging.WARNING), folder.lock():
        pass

    assert "cannot be locked" in caplog.text


def test_a_lock_that_fails_otherwise_is_an_error_of_ours(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a file system known to have no locks is let through."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(CheckpointError, match="Input/output error"), folder.lock():
        pass


def test_an_unwritable_lock_is_an_error_of_ours(tmp_path: Path) -> None:
    """The folder is gone, or read-only."""
    with pytest.raises(CheckpointError, match="Cannot write"), RunFolder(tmp_path / "gone").lock():
        pass


def test_setting_aside_loses_nothing(folder: RunFolder) -> None:
    """The earlier runs are all there, numbered in order."""
    for number in (1, 2, 3):
        folder.create()
        folder.config.write_text(f"run: {number}")
        assert folder.path.with_name(f"run.old-{number}") == folder.set_aside()

    assert not folder.path.exists()
    assert [f"run: {number}" for number in (1, 2, 3)] == [
        (folder.path.with_name(f"run.old-{number}") / "config.yaml").read_text() for number in (1, 2, 3)
    ]


def test_a_folder_that_cannot_be_renamed_is_an_error_of_ours(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder above may be read-only."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(CheckpointError, match="read-only"):
        folder.set_aside()


@pytest.mark.runs
@pytest.mark.fault("F17")
def test_a_run_that_goes_on_is_not_set_aside(folder: RunFolder, holder: subprocess.Popen[str]) -> None:
    """--fresh in the wrong window must not pull the folder from under a run."""
    with pytest.raises(UsageError, match=f"process {holder.pid}"):
        folder.set_aside()
    assert folder.path.is_dir()


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """Its weights could be written and not read."""
    with pytest.raises(UsageError, match=r"is not UTF-8\. Choose another --run-dir"):
        RunFolder(tmp_path / "\udcff").create()


_PLUGIN = {"distribution": "acme-rnn", "version": "1.0"}


def test_the_environment_is_recorded(folder: RunFolder) -> None:
    """Versions, plugins, command line, machine."""
    folder.write_environment(command=["seqtrain", "train"], plugins={"b": _PLUGIN, "a": _PLUGIN})
    record = json.loads(folder.environment.read_text())

    assert record["command"] == ["seqtrain", "train"]
    assert list(record["plugins"].items()) == [("a", _PLUGIN), ("b", _PLUGIN)]
    assert {"seqtrain", "torch"} <= set(record["versions"])
    assert socket.gethostname() == record["machine"]["host"]
    assert ".".join(map(str, sys.version_info[:3])) == record["python"]


def test_what_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    """The folder is gone."""
    gone = RunFolder(tmp_path / "gone")

    with pytest.raises(CheckpointError, match="Cannot write"):
        gone.write_environment(command=[], plugins={})
    with pytest.raises(CheckpointError, match="Cannot write"):
        gone.write_config("task: {}")


def test_a_folder_that_is_no_run_is_named(folder: RunFolder) -> None:
    """Commands that read a run say what they were given and what they wanted."""
    with pytest.raises(CheckpointError, match=r"run is no run: it has no config\.yaml"):
        folder.require_run()
    folder.write_config("task: {}")
    folder.require_run()

    assert folder.config.read_text() == "task: {}"


def moved(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def replaced(folder: Path) -> None:
    moved(folder)
    RunFolder(folder).create()
    (folder / "lock").write_text("another's")


def lost_its_lock(folder: Path) -> None:
    (folder / "lock").unlink()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (moved, "moved or deleted"),
        (shutil.rmtree, "moved or deleted"),
        (lost_its_lock, "moved or deleted"),
        (replaced, "replaced by another"),
    ],
)
@pytest.mark.fault("F32")
def test_a_folder_that_is_ours_no_longer_is_noticed(folder: RunFolder, change, what: str) -> None:
    """By the lock, which the process holds open wherever it goes."""
    with folder.lock():
        folder.require_own()
        change(folder.path)
        with pytest.raises(TrainingError, match=f"was {what} while this run trained in it.*same command"):
            folder.require_own()
    left = {each.name: each.read_text() for each in folder.path.glob("*") if each.is_file()}
    assert left == ({"lock": "another's"} if change is replaced else {})


def test_who_holds_no_lock_has_nothing_to_look_for(folder: RunFolder) -> None:
    """As when a run is only read."""
    shutil.rmtree(folder.path)

    folder.require_own()


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where Python code names it; and one of a user that nobody knows is a name like any other."""
    monkeypatch.setenv("HOME", "/home/me")

    assert RunFolder(Path("~/run")).path == Path("/home/me/run")
    assert RunFolder(Path("~nobody-of-this-name/run")).path == Path.cwd() / "~nobody-of-this-name/run"
