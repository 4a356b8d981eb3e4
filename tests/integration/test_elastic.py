"""Workers that the elastic agent starts: how they end, what is said about it, and the signals that reach them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seqtrain.errors import TrainingError, UsageError
from seqtrain.workers.local.agent import run_workers

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("elastic_worker.py")
PARENT = """
import sys
from seqtrain.workers.local.agent import run_workers
restarts, *command = sys.argv[1:]
sys.exit(run_workers([sys.executable, *command], workers=2, max_restarts=int(restarts), stop_seconds=20))
"""


@pytest.fixture
def start(tmp_path):
    """Start two workers and what watches them; all of it is ended with the test."""
    processes = []

    def begin(*what: str, restarts: int = 0, **environ: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(restarts), str(SCRIPT), str(tmp_path), *what],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environ},
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def all_joined(tmp_path):
    """Wait until both workers have joined."""

    def wait() -> None:
        files = [tmp_path / f"joined-{rank}-0" for rank in (0, 1)]
        deadline = time.monotonic() + 60
        while not all(file.is_file() for file in files):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    return wait


def test_a_killed_worker_is_told_and_all_start_again(start, tmp_path) -> None:
    """They meet anew; stdout is the main worker's."""
    out, err = (process := start("once-kill", "train", restarts=1)).communicate(timeout=60)

    assert process.returncode == 0, err
    assert out == "result of 0\n"
    assert re.match(r"seqtrain: error: worker 0 was killed by SIGKILL\. .*\nseqtrain: starting all .*1 of 1\)\n", err)
    assert err.splitlines()[2:] == ["result of 1"]
    assert sorted(each.name for each in tmp_path.glob("joined-*")) == [
        f"joined-{rank}-{attempt}" for rank in (0, 1) for attempt in (0, 1)
    ]


def test_what_another_try_cannot_mend_is_not_tried_again(start, tmp_path) -> None:
    """The error is the one that the worker would have shown; that the other lost it is not told."""
    out, err = (process := start("train", "data", restarts=2)).communicate(timeout=60)

    assert (process.returncode, out, err) == (5, "", "seqtrain: error: worker 1: train.en:3: no\n")
    assert not (tmp_path / "joined-0-1").exists()


def test_who_stands_still_ends_the_job_with_every_stack(start) -> None:
    """A stopped worker cannot print, which is told, and is ended like the rest."""
    out, err = (process := start("train", "freeze", SILENCE="2")).communicate(timeout=60)

    assert (process.returncode, out) == (1, "")
    assert "[worker 0] made no progress for 2 s: waiting in " in err
    assert "in all_reduce" in err
    assert err.count("thread MainThread") == 1
    assert err.endswith("worker 1 printed nothing: it is stopped (SIGSTOP), or stuck outside Python\n")


@pytest.mark.usefixtures("hears_hangups")
def test_hangups_end_the_workers_in_good_order(start, all_joined) -> None:
    """However many come."""
    process = start("wait", "wait")
    all_joined()
    for _ in range(3):
        process.send_signal(signal.SIGHUP)
        time.sleep(0.05)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out, err) == (129, "result of 0\n", "result of 1\n")


def test_signals_reach_every_worker_once(start, all_joined, tmp_path) -> None:
    """SIGUSR1 is passed on; SIGTERM ends the workers in good order, whose exit code is the command's."""
    process = start("wait", "wait", restarts=3)
    all_joined()
    process.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + 20
    while len(list(tmp_path.glob("usr1-*"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out, err) == (143, "result of 0\n", "result of 1\n")


def test_workers_end_with_an_agent_that_was_killed(start, all_joined) -> None:
    """They stop as on SIGTERM."""
    process = start("wait", "wait")
    all_joined()
    process.kill()

    process.communicate(timeout=60)  # which ends when the last of them has closed what it writes to


@pytest.mark.parametrize("place", [None, "n1", "n1:", "n1:x", ":1"])
def test_several_hosts_need_a_place_to_meet(place) -> None:
    """Said before anything is started."""
    with pytest.raises(UsageError, match=r"3 hosts have to meet, and --rendezvous .* (is not set|is ')"):
        run_workers(["true"], workers=1, nodes=3, rendezvous=place)


def test_a_place_that_nobody_keeps_is_told(monkeypatch, capfd) -> None:
    """After a stated time."""
    monkeypatch.setattr("seqtrain.workers.local.rendezvous._SECONDS", 1)
    monkeypatch.setenv("TORCH_CPP_LOG_LEVEL", "ERROR")

    with pytest.raises(TrainingError, match=r"did not meet at 192\.0\.2\.1:29400 within 1 s"):
        run_workers(["true"], workers=1, nodes=2, rendezvous="192.0.2.1:29400")
    assert "waiting up to 1 s for 2 hosts at 192.0.2.1:29400" in capfd.readouterr().err


def test_a_command_is_left_as_it_is(capfd, tmp_path) -> None:
    """Torch would put numbers where a configuration has ${...}; the environment is put back."""
    before = dict(os.environ)
    command = [sys.executable, "-c", "import sys, os; sys.exit(sys.argv[1] != '$x ${local_rank} $$')"]

    assert run_workers([*command, "$x ${local_rank} $$"], workers=1) == 0
    assert capfd.readouterr() == ("", "")
    assert dict(os.environ) == before
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_job_of_torchrun_is_joined(tmp_path) -> None:
    """Errors say whose they are; the host's cores are divided, rather than one left to each worker."""
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(SCRIPT), str(tmp_path)]
    environ = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    ended = subprocess.run(
        [sys.executable, *command, "train", "data"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode != 0
    assert "[worker 1] seqtrain: error: train.en:3: no\n" in ended.stderr
    threads = int((tmp_path / "joined-0-None").read_text())
    assert threads == max(1, len(os.sched_getaffinity(0)) // 2)
