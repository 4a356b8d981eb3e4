"""What runs beside each worker of a job; SLURM is played by its environment and a script named `scontrol`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

KEEPER = """
import sys
from seqtrain_submitit.worker import run_worker

run_worker([sys.executable, "-c", sys.argv[1]], ".", int(sys.argv[2]))
"""
SAVES = """
import os, pathlib, signal, sys, time

heard = []
signal.signal(signal.SIGTERM, lambda number, frame: heard.append("TERM"))
signal.signal(signal.SIGUSR1, lambda number, frame: pathlib.Path("saved").touch())
pathlib.Path("pid").write_text(str(os.getpid()))
pathlib.Path("ready").touch()
until = time.monotonic() + 60
while not heard and time.monotonic() < until:
    time.sleep(0.02)
time.sleep(0.5)
pathlib.Path("heard").write_text(" ".join(heard))
sys.exit(143)
"""


@pytest.fixture
def keeper(tmp_path, monkeypatch):
    """Start what keeps a worker, as rank 0 of one or another; it is ended after the test."""
    monkeypatch.chdir(tmp_path)
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text('#!/bin/sh\necho "$@" >> requeued\n')
    scontrol.chmod(0o755)
    started = []

    def start(code, *, requeues=1, rank=0, **environment):
        slurm = {
            "SUBMITIT_EXECUTOR": "slurm",
            "SUBMITIT_FOLDER": str(tmp_path),
            "SLURM_JOB_ID": "77",
            "SLURM_NTASKS": "4",
            "SLURM_JOB_NUM_NODES": "2",
            "SLURM_NODEID": str(rank // 2),
            "SLURM_PROCID": str(rank),
            "SLURM_LOCALID": str(rank % 2),
            "PATH": f"{scontrol.parent}:{os.environ['PATH']}",
        }
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", KEEPER, code, str(requeues)], env={**os.environ, **slurm, **environment}
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def wait_for(path):
    """Wait until a file is there."""
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.02)


def test_the_exit_code_is_the_workers(keeper, tmp_path):
    """Of the process, so that SLURM has it, and in the file that the launcher reads."""
    assert keeper("import sys; sys.exit(5)").wait(30) == 5
    assert (tmp_path / "77_0_exit_code").read_text() == "5"


def test_a_signal_counts_as_shells_count_it(keeper, tmp_path):
    """137 is SIGKILL, as that of a full memory."""
    assert keeper("import os; os.kill(os.getpid(), 9)").wait(30) == 137
    assert (tmp_path / "77_0_exit_code").read_text() == "137"


def test_several_hosts_meet_at_a_name(keeper, tmp_path):
    """That of worker 0's host, and the ranks are SLURM's."""
    names = "RANK LOCAL_RANK WORLD_SIZE LOCAL_WORLD_SIZE MASTER_ADDR MASTER_PORT"
    code = f"import os, pathlib; print(*map(os.environ.get, {names.split()}), file=open('told-' + os.environ['RANK'], 'w'))"
    other = keeper(code, rank=3)
    assert keeper(code).wait(30) == other.wait(30) == 0

    *told, address, port = (tmp_path / "told-0").read_text().split()
    assert told == ["0", "0", "4", "2"]
    assert address == os.uname().nodename
    assert (tmp_path / "told-3").read_text().split() == ["3", "1", "4", "2", address, port]


def test_one_that_waits_for_worker_0_can_be_stopped(keeper):
    """Its host may never come."""
    waiting = keeper("raise AssertionError", rank=1)
    time.sleep(1)
    waiting.terminate()

    assert waiting.wait(30) in {143, -signal.SIGTERM}


def test_a_worker_hears_of_the_end_once(keeper, tmp_path):
    """However often SLURM and the launcher say it: a second time would end it at once."""
    process = keeper(SAVES)
    wait_for(tmp_path / "ready")
    for _ in range(3):
        process.terminate()
        time.sleep(0.15)

    assert process.wait(30) == 143
    assert (tmp_path / "heard").read_text() == "TERM"
    assert (tmp_path / "77_0_exit_code").read_text() == "143"
    assert not (tmp_path / "requeued").exists()


def test_a_worker_can_be_told_to_save(keeper, tmp_path):
    """SIGUSR1 reaches it, and it goes on."""
    process = keeper(SAVES)
    wait_for(tmp_path / "ready")
    process.send_signal(signal.SIGUSR1)
    wait_for(tmp_path / "saved")

    assert process.poll() is None


@pytest.mark.parametrize(("rank", "said"), [(0, "requeue 77\n"), (1, None)])
def test_a_job_whose_time_is_up_goes_back_into_the_queue(keeper, tmp_path, rank, said):
    """After its worker has saved; one of them says so, and none counts as ended."""
    (tmp_path / "77_0_rendezvous").write_text("localhost 1")
    process = keeper(SAVES, rank=rank)
    wait_for(tmp_path / "ready")
    process.send_signal(signal.SIGUSR2)

    assert process.wait(30) == 0
    requeued = tmp_path / "requeued"
    assert (requeued.read_text() if requeued.exists() else None) == said
    assert not (tmp_path / f"77_{rank}_exit_code").exists()


def test_it_does_so_as_often_as_it_may(keeper, tmp_path):
    """In its second life a job that may go back once ends as one that was stopped."""
    process = keeper(SAVES, SLURM_RESTART_COUNT="1")
    wait_for(tmp_path / "ready")
    process.send_signal(signal.SIGUSR2)

    assert process.wait(30) == 143
    assert (tmp_path / "77_0_exit_code").read_text() == "143"
    assert not (tmp_path / "requeued").exists()


def test_a_worker_that_fails_when_its_time_is_up_has_failed(keeper, tmp_path):
    """It would fail again."""
    process = keeper(SAVES.replace("sys.exit(143)", "sys.exit(6)"))
    wait_for(tmp_path / "ready")
    process.send_signal(signal.SIGUSR2)

    assert process.wait(30) == 6
    assert not (tmp_path / "requeued").exists()


def test_what_a_life_before_left_is_taken_away(keeper, tmp_path):
    """Or the launcher would read the exit code of a worker that runs."""
    (tmp_path / "77_0_exit_code").write_text("143")
    keeper(SAVES)
    wait_for(tmp_path / "ready")

    assert not (tmp_path / "77_0_exit_code").exists()


def test_a_worker_does_not_outlive_who_would_end_it(keeper, tmp_path):
    """Such as the controller of a job on this machine."""
    starter = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"
    slurm = {"SUBMITIT_EXECUTOR": "slurm", "SUBMITIT_FOLDER": str(tmp_path), "SLURM_JOB_ID": "78"}
    process = subprocess.Popen([sys.executable, "-c", starter, KEEPER, SAVES, "1"], env={**os.environ, **slurm})
    wait_for(tmp_path / "ready")
    worker = int((tmp_path / "pid").read_text())
    process.kill()
    process.wait()

    wait_for(tmp_path / "78_0_exit_code")
    assert (tmp_path / "78_0_exit_code").read_text() == "137"
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
