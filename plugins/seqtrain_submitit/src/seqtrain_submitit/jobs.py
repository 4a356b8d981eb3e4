"""A job that is on its way: whether it is over, what became of its workers, and how to end it."""

from __future__ import annotations

import abc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from submitit import Job
from submitit.core.utils import JobPaths

from seqtrain_submitit.worker import SAVED, exit_code_file

_STOPS = (0, 130, SAVED)  # exit codes that are no failure of the worker
_SECONDS_OF_FILES = 5.0  # that a shared file system may take to show a file
_SECONDS_OF_QUEUE = 10.0  # between two questions to SLURM, whose controller serves many
_SECONDS_OF_END = 1.0  # the same, once all workers have ended


class RunningJob(abc.ABC):
    """
    A job and its workers.

    Args:
        job: as submitit returned it.
        workers: how many there are, on all hosts.
    """

    def __init__(self, job: Job[Any], workers: int) -> None:
        self.id = job.job_id
        self.paths = [JobPaths(job.paths.folder, job.job_id, rank) for rank in range(workers)]

    @abc.abstractmethod
    def is_over(self) -> bool:
        """Say whether no worker runs, nor will."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Tell all workers to save and end; may be called again, as one that is just starting may not hear it."""

    @abc.abstractmethod
    def kill(self) -> None:
        """End all workers at once."""

    def exit_codes(self) -> list[int]:
        """Return the exit codes of the workers that have ended, the first to end first."""
        ended = [path for path in map(exit_code_file, self.paths) if path.exists()]
        return [int(path.read_text()) for path in sorted(ended, key=_time_of)]

    def has_failed(self) -> bool:
        """Say whether a worker has ended with an error."""
        return any(code not in _STOPS for code in self.exit_codes())

    def exit_code(self) -> int:
        """Return the exit code of the job, once it is over; a worker that could not even say its own counts as 1."""
        deadline = time.monotonic() + _SECONDS_OF_FILES
        while len(self.exit_codes()) < len(self.paths) and time.monotonic() < deadline:
            time.sleep(0.1)
        codes = self.exit_codes()
        failures = [code for code in codes if code not in _STOPS] or [code for code in codes if code]
        if failures:
            return failures[0]
        return 0 if len(codes) == len(self.paths) else 1


class LocalJob(RunningJob):
    """
    Processes of this machine, under a controller of submitit's whose process id is the job's.

    Args:
        job: as submitit returned it.
        workers: how many there are.
    """

    def __init__(self, job: Job[Any], workers: int) -> None:
        super().__init__(job, workers)
        self._job = job

    def is_over(self) -> bool:
        """Say whether the controller has ended, as it does after all workers."""
        return self._job.done()

    def stop(self) -> None:
        """Send the controller SIGTERM, which it passes on."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the controller; a worker's keeper ends when it is gone."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if not self.is_over():
            os.kill(int(self.id), number)


class SlurmJob(RunningJob):
    """
    A job of SLURM's.

    It is `squeue` that is asked, not `sacct` as submitit does: that needs a database that not every cluster has.

    Args:
        job: as submitit returned it.
        workers: how many there are, on all hosts.
    """

    def __init__(self, job: Job[Any], workers: int) -> None:
        super().__init__(job, workers)
        self._state = "SUBMITTED"
        self._next_question = 0.0

    def is_over(self) -> bool:
        """Ask SLURM now and then, and at once when all workers have ended; tell the user what has changed."""
        wait = _SECONDS_OF_END if len(self.exit_codes()) == len(self.paths) else _SECONDS_OF_QUEUE
        now = time.monotonic()
        self._next_question = min(self._next_question, now + wait)
        if now >= self._next_question:
            self._next_question = now + wait
            self._ask()
        return not self._state

    def _ask(self) -> None:
        asked = _run("squeue", "--noheader", "--format=%T", f"--jobs={self.id}")
        if asked.returncode != 0 and "Invalid job id" not in asked.stderr:
            return  # the controller is busy or being restarted
        state = asked.stdout.strip()
        if state and state != self._state:
            tell(f"SLURM job {self.id}: {state.lower()}")
        self._state = state

    def stop(self) -> None:
        """Take it out of the queue if it waits there, else send its workers SIGTERM."""
        _run("scancel", "--quiet", "--state=PENDING", self.id)
        _run("scancel", "--quiet", "--signal=TERM", self.id)
        self._next_question = 0.0

    def kill(self) -> None:
        """Have SLURM end it, within the time that the cluster grants between SIGTERM and SIGKILL."""
        _run("scancel", "--quiet", self.id)


def tell(text: str) -> None:
    """Say something to the user; workers speak on the same stream."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - of this file


def _time_of(path: Path) -> int:
    return path.stat().st_mtime_ns
