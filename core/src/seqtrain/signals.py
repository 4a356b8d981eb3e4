"""SIGTERM and Ctrl-C: finish the step, save, and leave."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqtrain.trainer import Trainer


class Interruption:
    """Which signal asked the run to stop, if any."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    @property
    def exit_code(self) -> int:
        """The exit code that a shell expects: 128 and the signal's number; 0 without a signal."""
        return 0 if self.signal is None else 128 + self.signal.value


@contextmanager
def stop_on_signals(trainer: Trainer) -> Iterator[Interruption]:
    """
    Let SIGTERM and SIGINT stop the trainer after its step, with a checkpoint; a second one ends the process at once.

    Outside the main thread nothing is changed, as Python takes signals there alone.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        interruption.signal = signal.Signals(number)
        trainer.stop(f"{interruption.signal.name} received", interrupted=True)
        for each in previous:  # the next one is meant
            signal.signal(each, signal.SIG_DFL)

    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in previous:
        signal.signal(number, handle)
    try:
        yield interruption
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


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
