"""What workers say, shown to the user as they say it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from submitit.core.utils import JobPaths


class WorkersOutput:
    """
    The log files of a job, read as they grow: what workers write to stdout goes to stdout, the rest to stderr.

    Args:
        paths: of each worker.
    """

    def __init__(self, paths: Sequence[JobPaths]) -> None:
        self._logs = [
            _Log(file, f"[worker {rank}] " if rank else "", is_error=is_error)
            for rank, each in enumerate(paths)
            for file, is_error in ((each.stdout, False), (each.stderr, True))
        ]

    def show(self) -> None:
        """Show the lines that are new."""
        for log in self._logs:
            log.show()

    def show_rest(self) -> None:
        """Show what is left, though its line may not be complete."""
        for log in self._logs:
            log.show(rest=True)


class _Log:
    def __init__(self, path: Path, prefix: str, *, is_error: bool) -> None:
        self._path, self._prefix, self._is_error = path, prefix, is_error
        self._seen = 0

    def show(self, *, rest: bool = False) -> None:
        news = self._news()
        complete = len(news) if rest else news.rfind(b"\n") + 1
        if not complete:
            return
        self._seen += complete
        lines = news[:complete].decode(errors="replace").removesuffix("\n").split("\n")
        stream: TextIO = sys.stderr if self._is_error else sys.stdout
        stream.writelines(f"{self._prefix}{line}\n" for line in lines)
        stream.flush()

    def _news(self) -> bytes:
        if not self._path.exists():
            return b""
        with self._path.open("rb") as file:
            file.seek(self._seen)
            return file.read()
