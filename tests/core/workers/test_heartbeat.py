"""What is done when nothing is heard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from seqtrain.workers.local.agent import Heartbeat


def test_it_acts_once_nothing_was_heard() -> None:
    """Not before something was to be expected."""
    acted = threading.Event()
    heartbeat = Heartbeat(0.2, acted.set)

    assert not acted.wait(0.6)
    heartbeat.beat()
    assert acted.wait(30)


def test_it_rests_when_nothing_is_expected() -> None:
    """However long that is."""
    acted = threading.Event()
    heartbeat = Heartbeat(0.2, acted.set)
    heartbeat.beat()
    heartbeat.pause()

    assert not acted.wait(0.8)


@pytest.mark.runs
def test_a_process_that_was_stopped_was_not_silent() -> None:
    """Ctrl-Z, and much later `fg`, ends nothing."""
    code = (
        "import time; from seqtrain.workers.local.agent import Heartbeat\n"
        "heartbeat = Heartbeat(1.5, lambda: print('acted', flush=True)); print('ready', flush=True)\n"
        "until = time.monotonic() + 4\n"
        "while time.monotonic() < until: heartbeat.beat(); time.sleep(0.05)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(2.5)
        os.kill(process.pid, signal.SIGCONT)
        assert process.stdout.read() == ""
