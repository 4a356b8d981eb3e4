"""What asks a run from outside to save, or to finish its step, save and leave: signals, and a file that appears."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from seqtrain.protocols.hooks import Trainer
from seqtrain.workers.group import WorkerGroup

STOPPED = 143
STOP_CODES = {signal.SIGTERM: STOPPED, signal.SIGINT: 130, signal.SIGUSR2: STOPPED, signal.SIGHUP: 129}
"""The signals that stop a run, and the exit codes: as shells count them, but for SIGUSR2."""
_SAVE = signal.SIGUSR1
_SECONDS = 1.0  # between two looks for the stop file


@contextmanager
def stop_on_request(trainer: Trainer, stop_file: str | None, group: WorkerGroup) -> Iterator[None]:
    """
    Let the run be stopped from outside, after its step and with a checkpoint.

    SIGTERM, SIGINT (Ctrl-C), SIGUSR2 and SIGHUP (the terminal is gone) stop it; a second signal ends the process at
    once, unless it is one of several workers: schedulers and launchers are apt to tell each worker twice, and one that
    leaves early takes the save of all with it. A SIGHUP is never a second signal: a terminal that goes sends several,
    by the system and by the shell. Where it is ignored already, as under `nohup`, it stays so.
    SIGUSR1 has it save and go on. Outside the main thread signals stay as they are, as Python takes them there
    alone.

    Args:
        trainer: the run.
        stop_file: a path; once a file is there, it is removed, and the run stops.
        group: the workers; the main one looks for the file.
    """

    def stop(reason: str, exit_code: int) -> None:
        trainer.stop(reason, interrupted=True, exit_code=exit_code)

    again = signal.SIG_DFL if group.world_size == 1 else signal.SIG_IGN
    with (
        _taking_signals(stop, trainer.request_checkpoint, again),
        _watching(stop_file if group.is_main else None, stop),
    ):
        yield


@contextmanager
def raise_on_sigterm() -> Iterator[None]:
    """
    Let SIGTERM and SIGHUP raise `SystemExit`, as Ctrl-C raises `KeyboardInterrupt`, so that whoever waits can clean up.

    Outside the main thread nothing is changed, and neither is SIGHUP where it is ignored.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        ignore_hangups()
        sys.exit(128 + number)

    with _handled_by(handle, (signal.SIGTERM, *_hangup())):
        yield


def ignore_hangups() -> None:
    """Let no further SIGHUP disturb an end that has begun."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@contextmanager
def _taking_signals(
    stop: Callable[[str, int], None], save: Callable[[], None], again: signal.Handlers
) -> Iterator[None]:
    """Call the functions on signals; `again` is what is done about a second one that says stop."""
    stops = [number for number in STOP_CODES if number != signal.SIGHUP]

    def handle(number: int, _frame: FrameType | None) -> None:
        if number == _SAVE:
            save()
            return
        stop(f"{signal.Signals(number).name} received", STOP_CODES[signal.Signals(number)])
        for each in stops:
            signal.signal(each, again)
        ignore_hangups()

    with _handled_by(handle, (*stops, *_hangup(), _SAVE)):
        yield


def _hangup() -> tuple[signal.Signals, ...]:
    """Return SIGHUP, unless whoever has started this process wants it ignored."""
    return () if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else (signal.SIGHUP,)


@contextmanager
def _handled_by(handle: Callable[[int, FrameType | None], None], numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """Have signals handled for a while, in the main thread, where Python takes them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _watching(stop_file: str | None, stop: Callable[[str, int], None]) -> Iterator[None]:
    """Look for the file in a thread, so that no step waits for a slow file system."""
    if stop_file is None:
        yield
        return
    path, ended = Path(stop_file).absolute(), threading.Event()

    def watch() -> None:
        while not ended.wait(_SECONDS):
            if path.exists():
                path.unlink(missing_ok=True)  # or the same command could not go on
                stop(f"{path} appeared", STOPPED)
                return

    watcher = threading.Thread(target=watch, name="stop-file", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
