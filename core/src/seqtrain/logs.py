"""Where the log goes: the terminal, and RUN/train.log."""

from __future__ import annotations

import logging
from pathlib import Path

from seqtrain.progress_bar import NoProgressBar, ProgressBar, TerminalProgressBar, wants_bar

FORMAT = "%(asctime)s  %(levelname)-7s %(message)s"


def start_logging(level: str, progress: str, log_file: Path | None = None, *, worker: int = 0) -> ProgressBar:
    """
    Send the log of everything to stderr, and to a file if there is one.

    Args:
        level: "debug", "info", "warning" or "error".
        progress: "auto", "bar" or "plain"; see `LoggingConfig`.
        log_file: appended to.
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
    bar: ProgressBar = NoProgressBar()
    terminal: logging.Handler = logging.StreamHandler()
    who = f"[worker {worker}] " if worker else ""
    if worker and level != "debug":
        level = "error"
    if wants_bar(progress) and not worker:
        from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
        from rich.logging import RichHandler  # noqa: PLC0415

        console = Console(stderr=True)
        bar, terminal = TerminalProgressBar(console), RichHandler(console=console, show_path=False)
        terminal.setFormatter(logging.Formatter("%(message)s"))
    else:
        terminal.setFormatter(logging.Formatter(who + FORMAT, datefmt="%H:%M:%S"))
    handlers = [terminal]
    if log_file is not None:
        handlers.append(logging.FileHandler(log_file, encoding="utf-8"))
        handlers[-1].setFormatter(logging.Formatter(FORMAT))
    for handler in handlers:
        handler.set_name("seqtrain")
        root.addHandler(handler)
    root.setLevel(level.upper())
    return bar
