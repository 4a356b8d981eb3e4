"""What an error looks like on the terminal, and the exit code it ends the process with."""

from __future__ import annotations

import errno
import os
import sys

import click

from seqtrain.errors import SeqtrainError, UsageError
from seqtrain.metrics.console import printable
from seqtrain.metrics.streams import STDOUT

_LONGEST_PATH = 300  # characters of a path that a message repeats
INTERRUPTED = 130  # 128 + SIGINT, as shells have it

_ELSEWHERE = "or choose another place (--run-dir, data.cache_dir)"
_OF_THE_SYSTEM = {
    errno.ENOSPC: f"no space is left on the device. Free some, {_ELSEWHERE}",
    errno.EDQUOT: f"the disk quota is used up. Free some space, {_ELSEWHERE}",
    errno.EROFS: f"the file system is read-only. Mount it for writing, {_ELSEWHERE}",
    errno.EACCES: f"permission denied. Change its permissions, {_ELSEWHERE}",
    errno.EPERM: f"that is not permitted. Change its permissions, {_ELSEWHERE}",
    errno.EIO: f"the device reports an error. See the log of the system, {_ELSEWHERE}",
    errno.ESTALE: f"the file server has lost it. Type the same command again, {_ELSEWHERE}",
    errno.EINTR: "it was interrupted. Type the same command again",
    errno.EMFILE: "this process has too many files open. Raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open on this machine. Close some",
}


def report(error: Exception, *, verbose: bool) -> int:
    """
    Write an error to stderr: one paragraph for what a user can fix, a traceback for what is our own bug.

    A worker leaves it to the agent that has started it, if there is one: of what several say, the first is shown.

    Args:
        error: what ended the command.
        verbose: write the traceback in any case.

    Returns:
        The exit code.
    """
    import traceback  # what only an error needs is not imported for `--help`

    from seqtrain.workers.report import WorkerReport, has_lost_another

    explained = _explain(error)
    message, exit_code = explained or (_unexpected(error), 1)
    shown = "".join(traceback.format_exception(error)) if verbose or explained is None else ""
    kind = "lost" if has_lost_another(error) else "failed"
    if not WorkerReport(kind=kind, message=message, traceback=shown, exit_code=exit_code).write():
        who = _worker()
        _write(f"{_indented(shown, who)}{who}seqtrain: error: {message}\n")
    return exit_code


def _explain(error: Exception) -> tuple[str, int] | None:
    """Return the message and the exit code of an error that a user can fix."""
    if isinstance(error, SeqtrainError):
        return str(error), error.exit_code
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{error.format_message()} See `{error.ctx.command_path} --help`.", error.exit_code
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    if isinstance(error, OSError) and error.filename == STDOUT:
        return f"Cannot write to {STDOUT}: {error.strerror}.", 1
    if isinstance(error, OSError) and (
        error.errno in _OF_THE_SYSTEM or (error.filename is not None and error.strerror)
    ):
        reason = _OF_THE_SYSTEM.get(error.errno or 0) or f"{error.strerror}. Check the path and its permissions"
        return f"Cannot use {_shown(error.filename)}: {reason}.", 1
    return None


def _shown(path: object) -> str:
    text = "a file" if path is None else os.fsdecode(path) if isinstance(path, bytes) else str(path)
    return text if len(text) <= _LONGEST_PATH else f"{text[:_LONGEST_PATH]}... ({len(text):,} characters)"


def _unexpected(error: Exception) -> str:
    from seqtrain.workers.report import has_lost_another

    if has_lost_another(error):
        return (
            "lost the connection to the other workers: one has ended, which may say why itself, or the network between "
            "them failed"
        )
    return f"unexpected {type(error).__name__}; this is a bug in seqtrain or in a plugin, please report the above"


def _worker() -> str:
    """Return what tells the messages of a worker from those of others."""
    from seqtrain.workers.world import WorldInfo

    try:
        world = WorldInfo.from_environment(os.environ)
    except UsageError:  # which may be what is reported
        return ""
    return f"[worker {world.rank}] " if world is not None else ""


def _indented(text: str, by: str) -> str:
    return "".join(f"{by}{line}" for line in text.splitlines(keepends=True))


def _write(text: str) -> None:
    sys.stderr.write(printable(text))
    sys.stderr.flush()
