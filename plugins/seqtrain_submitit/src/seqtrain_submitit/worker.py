"""
What runs in the job, once for each worker: it starts the worker, tells it who it is, and passes signals on.

submitit finds `run_worker` by its name, so what travels to the job is that name, the command and plain values.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from submitit import JobEnvironment
from submitit.core.utils import JobPaths

SAVED = 143  # the exit code of a worker that was told to stop, as shells count SIGTERM
_SECONDS = 0.1  # between two looks
_TIME_IS_UP = signal.SIGUSR2  # from SLURM, as submitit asks it to
_SAVE = signal.SIGUSR1  # from the user; the worker saves and goes on


def run_worker(command: Sequence[str], directory: str, requeues: int) -> None:
    """
    Run a worker and end with its exit code, having written that where the one who waits finds it.

    If it has saved because the job's time is up, the job goes back into the queue instead.
    """
    job = JobEnvironment()
    signals = _heard_signals()
    code_file = exit_code_file(job.paths)
    code_file.unlink(missing_ok=True)  # of a life before a requeue
    environment = {**os.environ, **_placement(job, signals)}
    # In a session of its own, as SLURM and terminals send signals to whole groups, and the worker is to hear one.
    process = subprocess.Popen(command, cwd=directory, env=environment, start_new_session=True)  # noqa: S603
    code, time_is_up = _wait(process, signals)
    if time_is_up and code == SAVED and _restarts() < requeues:
        if job.global_rank == 0:
            subprocess.run(["scontrol", "requeue", job.job_id], check=True)  # noqa: S603, S607
        return
    _write(code_file, str(code))
    sys.exit(code)


def exit_code_file(paths: JobPaths) -> Path:
    """Return where a worker's exit code is written."""
    return paths.folder / f"{paths.job_id}_{paths.task_id}_exit_code"


def _heard_signals() -> list[int]:
    """Return a list that signals are added to from now on."""
    signals: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, _TIME_IS_UP, _SAVE):
        signal.signal(number, lambda heard, _frame: signals.append(heard))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])  # which the launcher may have blocked
    return signals


def _placement(job: JobEnvironment, signals: list[int]) -> dict[str, str]:
    """Return what torchrun would put into the environment."""
    host, port = _rendezvous(job, signals)
    return {
        "RANK": str(job.global_rank),
        "LOCAL_RANK": str(job.local_rank),
        "WORLD_SIZE": str(job.num_tasks),
        "LOCAL_WORLD_SIZE": str(job.num_tasks // job.num_nodes),
        "MASTER_ADDR": host,
        "MASTER_PORT": port,
    }


def _rendezvous(job: JobEnvironment, signals: list[int]) -> tuple[str, str]:
    """Find a free port on the host of worker 0, which alone can; the others read of it in the shared folder."""
    place = job.paths.folder / f"{job.job_id}_{_restarts()}_rendezvous"
    if job.global_rank == 0:
        with socket.socket() as free:
            free.bind(("", 0))
            port: int = free.getsockname()[1]
        _write(place, f"{socket.gethostname() if job.num_nodes > 1 else '127.0.0.1'} {port}")
    while not place.exists():
        if signals:
            sys.exit(SAVED)
        time.sleep(_SECONDS)
    host, _, port_text = place.read_text().partition(" ")
    return host, port_text


def _wait(process: subprocess.Popen[bytes], signals: list[int]) -> tuple[int, bool]:
    """Pass signals on until the worker has ended; return its exit code, and whether the job's time was up."""
    started_by, told, time_is_up = os.getppid(), False, False
    while True:
        try:
            code = process.wait(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        else:
            return code if code >= 0 else 128 - code, time_is_up
        while signals:
            number = signals.pop(0)
            time_is_up = time_is_up or number == _TIME_IS_UP
            if number == _SAVE:
                process.send_signal(_SAVE)
            elif not told:  # a second one would end it at once
                process.terminate()
                told = True
        if os.getppid() != started_by:  # who would have ended this process is gone
            process.kill()


def _restarts() -> int:
    return int(os.environ.get("SLURM_RESTART_COUNT", "0"))


def _write(path: Path, text: str) -> None:
    """Write a file that is there in whole or not at all."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_text(text)
    unfinished.replace(path)
