"""End a worker that makes no progress, and say where it and the others are."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
import traceback
from types import FrameType, TracebackType

from seqtrain.plugin import hookimpl
from seqtrain.workers.report import WorkerReport

_REARM_SECONDS = 1.0  # `feed` may come more often
_GRACE = 5.0  # for the others to print theirs, before this one's end breaks what they wait for


class Watchdog:
    """
    Prints every thread's stack once nothing has been heard for a while, and ends the process.

    It watches between `with` and its end. A thread of Python prints; should that be kept from running, by code that
    never lets go of the interpreter, then faulthandler, which needs no interpreter, does so a little later.

    Args:
        seconds: of silence.
        rank: this worker's number.
    """

    def __init__(self, seconds: float, rank: int) -> None:
        self.seconds, self.rank = seconds, rank
        self._fed = self._armed = 0.0
        self._main = threading.main_thread().ident
        self._ended = threading.Event()
        self._ended.set()

    def feed(self) -> None:
        """Say that there is progress; costs next to nothing."""
        self._fed = time.monotonic()
        if self._fed - self._armed > _REARM_SECONDS and not self._ended.is_set():
            self._arm()

    def __enter__(self) -> None:
        self._ended.clear()
        self._armed = 0.0
        self.feed()
        self._arm()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._ended.set()
        faulthandler.cancel_dump_traceback_later()

    def _arm(self) -> None:
        self._armed = self._fed
        faulthandler.dump_traceback_later(self.seconds + 3 * _GRACE, exit=True, file=sys.__stderr__ or 2)

    def _watch(self) -> None:
        while not self._ended.wait(max(0.0, self._fed + self.seconds - time.monotonic())):
            if time.monotonic() >= self._fed + self.seconds:
                self._bark()

    def _bark(self) -> None:
        frames = sys._current_frames()  # noqa: SLF001 - documented, in spite of its name
        waiting = _place(frames[self._main]) if self._main in frames else "nothing known"
        message = f"made no progress for {self.seconds:g} s: waiting in {waiting}"
        text = f"[worker {self.rank}] {message}\n{_stacks(frames)}"
        os.write(2, text.encode(errors="replace"))  # at once, so that several workers' stacks stay apart
        told = WorkerReport(kind="stuck", exit_code=1, message=message).write()
        time.sleep(_GRACE)
        if not told:
            os.write(2, f"[worker {self.rank}] seqtrain: error: {message}; the stacks are above\n".encode())
        os._exit(1)


class RunWatch:
    """
    Has a watchdog watch the steps of a run; a validation may take as long as it takes.

    Args:
        watchdog: this worker's.
    """

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog

    @hookimpl
    def seqtrain_epoch_start(self) -> None:
        """Begin, or go on."""
        self._watchdog.__exit__(None, None, None)
        self._watchdog.__enter__()

    @hookimpl
    def seqtrain_step_end(self) -> None:
        """Note the progress."""
        self._watchdog.feed()

    @hookimpl
    def seqtrain_validation_start(self) -> None:
        """Rest."""
        self._watchdog.__exit__(None, None, None)

    @hookimpl
    def seqtrain_validation_end(self) -> None:
        """Go on."""
        self._watchdog.__enter__()

    @hookimpl
    def seqtrain_run_end(self) -> None:
        """Be done."""
        self._watchdog.__exit__(None, None, None)

    @hookimpl
    def seqtrain_run_exception(self) -> None:
        """Be done: whoever fails now may take some time to say so."""
        self._watchdog.__exit__(None, None, None)


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}, {frame.f_code.co_name}"


def _stacks(frames: dict[int, FrameType]) -> str:
    names = {thread.ident: thread.name for thread in threading.enumerate() if thread.name != "watchdog"}
    return "".join(
        f"thread {names[ident]}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in frames.items()
        if ident in names
    )
