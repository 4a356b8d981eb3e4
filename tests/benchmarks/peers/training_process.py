"""Start a training process, follow its log, and wait for its end."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
PATIENCE = 1800.0  # seconds until a process is given up
POLL = 0.001


class Process:
    """A process that trains: started as a new interpreter, or forked by a nursery."""

    def __init__(self, pid: int, log: Path, ended: Callable[[float], int | None]) -> None:
        self.pid, self.log, self._ended = pid, log, ended
        self.code: int | None = None

    def wait(self, seconds: float = PATIENCE) -> int:
        """Return the exit code, as a shell would give it; a process that takes too long is killed."""
        if self.code is None:
            self.code = self._ended(seconds)
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            self.code = self._ended(60)
            self.log.write_text(self.log.read_text() + "\ngiven up\n")
        return self.code if self.code >= 0 else 128 - self.code

    def over(self) -> bool:
        """Say whether it has ended."""
        if self.code is None:
            self.code = self._ended(0)
        return self.code is not None

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal, unless the process has ended; return whether it was sent."""
        if self.over():
            return False
        os.kill(self.pid, number)
        return True

    def until(self, condition: Callable[[], bool]) -> bool:
        """Wait until something is so; False if the process ends, or never gets there."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if self.over() or time.monotonic() > deadline:
                return False
            time.sleep(POLL)
        return True

    def reaches(self, step: int, pattern: re.Pattern[str]) -> bool:
        """Wait until the log says that a step is done."""
        return self.until(lambda: any(int(number) >= step for number in pattern.findall(self.text())))

    def text(self) -> str:
        """Read the log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Launcher:
    """
    Starts a script, each time in a process of its own.

    Args:
        script: a Python file with `main(argv)`.
        temporary: TMPDIR of the processes.
        fork: fork them from a process that has the script's imports; otherwise start interpreters.
    """

    def __init__(self, script: str, temporary: Path, *, fork: bool) -> None:
        self.script = str(HERE / script)
        self.environ = {**os.environ, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
        self.nursery = self._nursery() if fork else None

    def start(self, argv: list[str], log: Path) -> Process:
        """Start it."""
        if self.nursery is None:
            with log.open("ab") as file:
                child = subprocess.Popen(
                    [sys.executable, self.script, *argv],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    env=self.environ,
                )
            return Process(child.pid, log, lambda seconds: _wait(child, seconds))
        self.nursery.stdin.write(json.dumps({"argv": argv, "log": str(log)}).encode() + b"\n")
        return Process(int(self._answer(PATIENCE)), log, self._forked_end)

    def close(self) -> None:
        """Let the nursery end."""
        if self.nursery is not None:
            self.nursery.stdin.close()
            self.nursery.wait()

    def _nursery(self) -> subprocess.Popen:
        command = [sys.executable, str(HERE / "nursery.py"), self.script]
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self.environ,
            bufsize=0,
        )

    def _answer(self, seconds: float) -> bytes | None:
        ready, _, _ = select.select([self.nursery.stdout], [], [], seconds)
        return self.nursery.stdout.readline() if ready else None

    def _forked_end(self, seconds: float) -> int | None:
        answer = self._answer(seconds)
        return None if answer is None else os.waitstatus_to_exitcode(int(answer))


def _wait(child: subprocess.Popen, seconds: float) -> int | None:
    try:
        return child.wait(seconds) if seconds else child.poll()
    except subprocess.TimeoutExpired:
        return None
