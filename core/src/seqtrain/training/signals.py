"""What asks a run from outside to save, or to finish its step, save and leave: signals, and a file that appears."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from seqtrain.protocols.hooks import Trainer
from seqtrain.workers.group import WorkerGroup

STOPPED, INTERRUPTED = 143, 130  # exit codes: as shells count SIGTERM and SIGINT
_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
_SAVE = signal.SIGUSR1
_SECONDS = 1.0  # between two looks for the stop file


@contextmanager
def stop_on_request(trainer: Trainer, stop_file: str | None, group: WorkerGroup) -> Iterator[None]:
    """
    Let the run be stopped from outside, after its step and with a checkpoint.

    SIGTERM, SIGINT (Ctrl-C) and SIGUSR2 stop it; a second signal ends the process at once, unless it is one of several
    workers: schedulers and launchers are apt to tell each worker twice, and one that leaves early takes the save of all
    with it. SIGUSR1 has it save and go on. Outside the main thread signals stay as they are, as Python takes them there
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
    Let SIGTERM raise `SystemExit`, as Ctrl-C raises `KeyboardInterrupt`, so that whoever waits can clean up.

    Outside the main thread nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def _taking_signals(
    stop: Callable[[str, int], None], save: Callable[[], None], again: signal.Handlers
) -> Iterator[None]:
    """Call the functions on signals; `again` is what is done about a second one that says stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        if number == _SAVE:
            save()
            return
        stop(f"{signal.Signals(number).name} received", INTERRUPTED if number == signal.SIGINT else STOPPED)
        for each in _STOP:
            signal.signal(each, again)

    previous = {number: signal.signal(number, handle) for number in (*_STOP, _SAVE)}
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
