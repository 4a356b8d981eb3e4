"""
The terminal: the log, which goes to RUN/train.log as well, and the progress bar.

Text of files, plugins and metadata is printed without the characters that would act on a terminal, such as ESC.
Two places see to that: the standard streams of a command, and the formatter of the log.
"""

from __future__ import annotations

import codecs
import io
import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TextIO

from seqtrain.checkpoint.atomic_io import NotWrittenError
from seqtrain.metrics.append_file import AppendFile

if TYPE_CHECKING:
    from rich.console import Console

FORMAT = "%(asctime)s  %(levelname)-7s %(message)s"

# Control characters but for tab and line feed, further line ends, what changes the direction of text, and bytes of file
# names that are not UTF-8.
_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""
    Return a text with `\x1b` and the like for each character that acts on a terminal; tabs and line ends stay.

    Example:
        >>> print(printable("a \x1b[31mlabel"))
        a \x1b[31mlabel
    """
    return _ACTING.sub(lambda found: ascii(found[0])[1:-1], text)


def _is_ascii(encoding: str) -> bool:
    return codecs.lookup(encoding).name == "ascii"


class PrintableStream:
    """
    A text stream that is written to by `printable`; in all else, its `buffer` included, it is the stream itself.

    Args:
        stream: such as `sys.stdout`.
    """

    def __init__(self, stream: TextIO) -> None:
        self.unescaped = stream
        # Click takes ASCII for a mistake and would write UTF-8 around this stream; what ASCII lacks is escaped instead.
        self.encoding = "utf-8" if _is_ascii(stream.encoding) else stream.encoding

    def write(self, text: str) -> int:
        """Write a text."""
        self.unescaped.write(printable(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unescaped, name)


def protect_terminal() -> None:
    """Print, from now on, nothing that acts on a terminal, and what the terminal's encoding lacks as an escape."""
    for name in ("stdout", "stderr"):
        stream: Any = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):  # and not closed, or another's
            stream.reconfigure(errors="backslashreplace")
            setattr(sys, name, PrintableStream(stream))
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Formatter("seqtrain: warning: %(message)s"))


def unprotect_terminal() -> None:
    """Give the standard streams back as they were, to whom colours and the like are meant for."""
    for name in ("stdout", "stderr"):
        setattr(sys, name, getattr(getattr(sys, name), "unescaped", getattr(sys, name)))


class _Formatter(logging.Formatter):
    """Formats a record, its traceback included, by `printable`."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def start_logging(
    level: str, progress: str, log_file: AppendFile | None = None, *, worker: int = 0
) -> NoProgressBar | TerminalProgressBar:
    """
    Send the log of everything to stderr, and to a file if there is one.

    Args:
        level: "debug", "info", "warning" or "error".
        progress: "auto", "bar" or "plain"; see `LoggingConfig`.
        log_file: gets each line as well.
        worker: the number of this one of several workers. Others than 0 have no progress bar, log errors alone (all
            there is, at level "debug"), and say who they are.

    Returns:
        The progress bar that shares the terminal with the log.
    """
    root = logging.getLogger()
    for handler in list(root.handlers):
        if handler.get_name() == "seqtrain":
            root.removeHandler(handler)
            handler.close()
    bar: NoProgressBar | TerminalProgressBar = NoProgressBar()
    terminal: logging.Handler = logging.StreamHandler()
    who = f"[worker {worker}] " if worker else ""
    if worker and level != "debug":
        level = "error"
    if wants_bar(progress) and not worker:
        from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
        from rich.logging import RichHandler  # noqa: PLC0415

        console = Console(file=getattr(sys.stderr, "unescaped", sys.stderr))
        bar, terminal = TerminalProgressBar(console), RichHandler(console=console, show_path=False)
        terminal.setFormatter(_Formatter("%(message)s"))
    else:
        terminal.setFormatter(_Formatter(who + FORMAT, datefmt="%H:%M:%S"))
    handlers = [terminal]
    if log_file is not None:
        handlers.append(_FileHandler(log_file))
        handlers[-1].setFormatter(_Formatter(FORMAT))
    for handler in handlers:
        handler.set_name("seqtrain")
        root.addHandler(handler)
    root.setLevel(level.upper())
    return bar


class _FileHandler(logging.Handler):
    """Adds each line of the log to a file."""

    def __init__(self, file: AppendFile) -> None:
        super().__init__()
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        """Add a line; a file that may not wait raises."""
        self._file.add(f"{self.format(record)}\n".encode(errors="backslashreplace"))

    def close(self) -> None:
        """Write what still waits, or say that it is lost: this is the end."""
        try:
            self._file.finish()
        except NotWrittenError as error:
            sys.stderr.write(f"seqtrain: warning: {error} The end of the log is not in it.\n")
        super().close()


class NoProgressBar:
    """Where the log's plain lines are all there is."""

    def showing(self, done: int, total: int | None) -> AbstractContextManager[None]:
        """Do nothing."""
        return nullcontext()

    def advance(self) -> None:
        """Do nothing."""

    def show(self, metrics: Mapping[str, float]) -> None:
        """Do nothing."""


class TerminalProgressBar:
    """
    A bar with rate and time left at the foot of the terminal.

    Args:
        console: the terminal, shared with the log so that its lines appear above the bar.
    """

    def __init__(self, console: Console) -> None:
        from rich import progress  # noqa: PLC0415 - only a terminal needs it

        self._bar = progress.Progress(
            progress.TextColumn("[bold]step"),
            progress.MofNCompleteColumn(),
            progress.BarColumn(bar_width=20),
            progress.TextColumn("{task.fields[measures]}"),
            progress.TimeElapsedColumn(),
            progress.TextColumn("<"),
            progress.TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("training", total=None, measures="")

    @contextmanager
    def showing(self, done: int, total: int | None) -> Iterator[None]:
        """Be shown for a while, from `done` of `total` steps on."""
        self._bar.update(self._task, completed=done, total=total)
        with self._bar:
            yield

    def advance(self) -> None:
        """Count one step."""
        self._bar.advance(self._task)

    def show(self, metrics: Mapping[str, float]) -> None:
        """Show loss and rate of a line of training measures."""
        if "train/tokens_per_s" in metrics:
            loss, rate = metrics.get("train/loss", float("nan")), metrics["train/tokens_per_s"]
            self._bar.update(self._task, measures=f"loss {loss:.3f}  {rate:,.0f} tokens/s")


def wants_bar(setting: str) -> bool:
    """Say whether `logging.progress` asks for a bar here: "bar", or "auto" on a terminal."""
    return setting == "bar" or (setting == "auto" and sys.stderr.isatty())
