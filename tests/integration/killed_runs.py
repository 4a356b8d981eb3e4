"""
A process that has everything imported, and forks one for each command line that it reads, to be disturbed as told.

So a run is a real process, which is really killed, and yet costs no start of Python. A line is a JSON object::

    {"words": ["train", ...], "log": FILE, "root": FOLDER, "kill": KILL, "fail": FAIL}

KILL says where SIGKILL comes; null is nowhere::

    ["before", "seqtrain.trainer:Trainer.train_step", 3]     before the third call of this function
    ["after", "seqtrain.trainer:Trainer.train_step", 3]      after it
    ["cut", "seqtrain.checkpoint.store:write_manifest", 1, "manifest.json", 0.5]
                                    after that call, with the newest file of this name cut to a share of its length:
                                    what a kill amid the writing of that file leaves
    ["call", "checkpoint", 7]       before the seventh call of this thread that changes something below `root`
    ["seconds", 0.4]                whenever that is

FAIL says which call of the system fails, where failing_calls.c is preloaded; null is none::

    ["write", 28, 7, false]         the seventh write below `root`, with errno 28
    ["write", 28, 7, true]          and all that come after it

The answer is a JSON object too: `code`, negative for a signal; `step`, how many were counted; and, of a run that ended
by itself, `calls`: by thread, those that changed something below `root`. With failing_calls.c: `counts` of calls by
kind, and the path that a call `failed_at`.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import logging
import mmap
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqtrain import train as _heavy  # noqa: F401 - imported once, for all that are forked
from seqtrain.checkpoint import checkpoint
from seqtrain.cli.main import main
from seqtrain.training.progress import Progress

# What Python tells an audit hook right before it happens; these change something on the disk.
CHANGES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.truncate", "os.link", "os.symlink")
_RAISED = 70  # exit code
_SECONDS = 120
counted = mmap.mmap(-1, 8)  # shared with the forked process: steps


def die() -> None:
    """End this process at once; nothing is tidied up."""
    os.kill(os.getpid(), signal.SIGKILL)


def wrap(target: str, before: Callable[[int], None], after: Callable[[int], None]) -> None:
    """Have functions called around a function `module:name.of.it`, with the number of the call, from 1."""
    module, _, names = target.partition(":")
    *owners, name = names.split(".")
    owner: Any = importlib.import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    real, calls = getattr(owner, name), Counter[str]()

    def call(*args: Any, **kwargs: Any) -> Any:
        calls[target] += 1
        number = calls[target]
        before(number)
        result = real(*args, **kwargs)
        after(number)
        return result

    setattr(owner, name, call)


def nothing(number: int) -> None:
    """Go on."""


def die_in_call(kind: str, root: Path, target: str, nth: int, name: str = "", share: float = 0.0) -> None:
    """Arrange for the process to die around the nth call of a function."""

    def now(number: int) -> None:
        if number == nth:
            if kind == "cut":
                file = max(root.rglob(name), key=lambda each: each.stat().st_mtime_ns)
                os.truncate(file, int(file.stat().st_size * share))
            die()

    wrap(target, now if kind == "before" else nothing, nothing if kind == "before" else now)


class Calls:
    """
    Counts the calls that change something below a folder, by thread, and dies at one of them.

    Args:
        root: the folder.
        thread, nth: where to die; before the first call is 1, and 0 is nowhere.
    """

    def __init__(self, root: Path, thread: str = "", nth: int = 0) -> None:
        self.made: dict[str, list[str]] = {}
        self._root, self._place = f"{root}{os.sep}", (thread, nth)
        sys.addaudithook(self._hear)
        real_flush, real_write = os.fsync, checkpoint.write_tensors

        def flush(descriptor: int) -> None:
            self._note("os.fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink()))
            real_flush(descriptor)

        def write_tensors(path: Path, tensors: Any) -> None:  # the library that does it is not Python's
            self._note("open", str(path))
            real_write(path, tensors)

        os.fsync, checkpoint.write_tensors = flush, write_tensors

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in CHANGES or (event == "open" and _writes(arguments)):
            path = arguments[0]
            if not isinstance(path, int):
                in_folder = event in ("os.remove", "os.rmdir") and arguments[1] != -1  # by a name in an open folder
                self._note(event, self._root + os.fsdecode(path) if in_folder else os.fsdecode(path))

    def _note(self, call: str, path: str) -> None:
        if path.startswith(self._root):
            thread = threading.current_thread().name.partition("_")[0]
            calls = self.made.setdefault(thread, [])
            calls.append(f"{call} {path.removeprefix(self._root)}")
            if (thread, len(calls)) == self._place:
                die()


def _writes(arguments: tuple[Any, ...]) -> bool:
    _, mode, flags = arguments
    return bool(flags & (os.O_WRONLY | os.O_RDWR)) if mode is None else any(each in mode for each in "wax+")


class Failing:
    """
    Arranges with failing_calls.c for a call to fail.

    Args:
        root: the folder that counts.
        fail: see above.
    """

    KINDS = ("open", "write", "fsync", "rename", "unlink", "mkdir", "flock")

    def __init__(self, root: str, fail: list[Any] | None) -> None:
        self._library = ctypes.CDLL(None)
        self._library.failed_at.restype = ctypes.c_char_p
        kind, error, nth, lasting = fail or ("open", 0, 0, False)
        self._library.arm(root.encode(), self.KINDS.index(kind), error, ctypes.c_long(nth), lasting)

    def finish(self) -> dict[str, Any]:
        """Let all calls be, and say what there was."""
        self._library.disarm()
        counts = {kind: self._library.counted(number) for number, kind in enumerate(self.KINDS)}
        return {"counts": counts, "failed_at": self._library.failed_at().decode()}


def run(words: list[str], log: str, root: str, kill: list[Any] | None, fail: list[Any] | None) -> int:
    """Do what a line asks for, in this process."""
    with Path(log).open("ab") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    advance = Progress.advance

    def count(self: Progress, *args: int) -> None:
        advance(self, *args)
        counted[:] = self.step.to_bytes(8, "little")

    Progress.advance = count  # type: ignore[method-assign]
    kind, *place = kill or ["none"]
    if kind in ("before", "after", "cut"):
        die_in_call(kind, Path(root), *place)
    calls = Calls(Path(root), *(place if kind == "call" else ()))
    signal.alarm(_SECONDS)  # it hangs
    failing = Failing(root, fail) if "LD_PRELOAD" in os.environ else None
    code = main(words)
    logging.shutdown()  # as the interpreter would
    told = {"calls": calls.made, "modules": list(sys.modules), **(failing.finish() if failing else {})}
    Path(log).with_suffix(".json").write_text(json.dumps(told))
    return code


def fork(request: dict[str, Any]) -> dict[str, Any]:
    """Do what a line asks for in a process of its own, and say how it ended."""
    counted[:] = bytes(8)
    process = os.fork()
    if not process:
        code = _RAISED  # which is in the log
        try:
            code = run(**request)
        finally:
            sys.stderr.flush()
            sys.stdout.flush()
            os._exit(code)
    if request["kill"] and request["kill"][0] == "seconds":
        time.sleep(request["kill"][1])
        os.kill(process, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    answer = {"code": code, "step": int.from_bytes(counted[:], "little")}
    if code >= 0 and code != _RAISED:
        answer |= json.loads(Path(request["log"]).with_suffix(".json").read_text())
        for each in answer.pop("modules"):  # what it took a run to import, later ones find here
            with contextlib.suppress(ImportError):
                importlib.import_module(each)
    return answer


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(fork(json.loads(line))), flush=True)
