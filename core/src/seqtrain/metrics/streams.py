"""
The standard streams of this process, one of which may be closed, full, or read by nobody any longer.

What goes to stderr is lost then, and nothing else happens: a message is no reason to end. What goes to stdout is what
a command is for, so that losing it is an error, but for a training, whose results lie in its folder.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO

STDOUT = "standard output"
"""What errors call it, in place of a file's name."""
_CONTRARY = (os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)  # of the modes of stdin, stdout, stderr
_may_lose = {2}  # streams, by number


def secure_streams() -> None:
    """
    Put something in the place of streams that are closed, and have writing fail as it should; call it first of all.

    A number that is free would be given to the next file that is opened, and what is printed would land in that.
    """
    for number, mode in enumerate(_CONTRARY):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # gets the lowest number, which is this one
            os.set_inheritable(number, True)  # for workers
    if sys.stdin is None:  # as Python leaves one that was closed
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, "rb", closefd=False)), encoding="utf-8")
    if sys.stdout is sys.__stdout__:  # else somebody has put something else there
        sys.stdout = _stream(1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _stream(2, sys.stderr)


def may_lose_stdout() -> None:
    """Let what goes to stdout be lost from now on where it cannot be written."""
    _may_lose.add(1)


def leave_streams(exit_code: int) -> int:
    """Write what is left for stdout, before the interpreter does; return the exit code, or 1 for 0 if that fails."""
    try:
        sys.stdout.flush()
    except ValueError:  # a command has closed it
        return exit_code
    except OSError as error:
        discard_stdout()
        if not exit_code and not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"seqtrain: error: Cannot write to {STDOUT}: {error.strerror}.\n")
        return exit_code or 1
    return exit_code


def discard_stdout() -> None:
    """Print nowhere from now on, as nobody reads it: else the flush at this process's end would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Output(io.FileIO):
    """The bytes of a standard stream that is written."""

    def write(self, content: Any) -> int:
        """Write, or lose, some bytes."""
        try:
            return super().write(content)
        except OSError as error:
            if self.fileno() in _may_lose:
                return len(content)
            error.filename = STDOUT
            raise


def _stream(number: int, present: TextIO | None) -> TextIO:
    """Return a stream like the present one."""
    raw = _Output(number, "wb", closefd=False)
    if present is None:
        return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", line_buffering=number == 2)
    raw.name = present.name
    return io.TextIOWrapper(
        raw if isinstance(present.buffer, io.RawIOBase) else io.BufferedWriter(raw),  # raw: `python -u`
        encoding=present.encoding,
        errors=present.errors,
        line_buffering=bool(present.line_buffering),
    )
