"""What an error looks like on the terminal, and the exit code it ends the process with."""

from __future__ import annotations

import errno
import sys
import traceback

import click

from seqtrain.errors import SeqtrainError

INTERRUPTED = 130  # 128 + SIGINT, as shells have it

_NO_ACCESS = {
    errno.ENOSPC: "no space is left on the device. Free some, or choose another place (--run-dir, data.cache_dir)",
    errno.EDQUOT: "the disk quota is used up. Free some space, or choose another place (--run-dir, data.cache_dir)",
    errno.EROFS: "the file system is read-only. Choose another place (--run-dir, data.cache_dir)",
    errno.EACCES: "permission denied. Change its permissions, or choose another place (--run-dir, data.cache_dir)",
}


def report(error: Exception, *, verbose: bool) -> int:
    """
    Write an error to stderr: one paragraph for what a user can mend, a traceback for what is our own bug.

    Args:
        error: what ended the command.
        verbose: write the traceback in any case.

    Returns:
        The exit code.
    """
    explained = _explain(error)
    if verbose or explained is None:
        traceback.print_exception(error)
    if explained is None:
        _write(f"unexpected {type(error).__name__}; this is a bug in seqtrain or in a plugin, please report the above")
        return 1
    message, exit_code = explained
    _write(message)
    return exit_code


def _explain(error: Exception) -> tuple[str, int] | None:
    """Return the message and the exit code of an error that a user can mend."""
    if isinstance(error, SeqtrainError):
        return str(error), error.exit_code
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{error.format_message()} See `{error.ctx.command_path} --help`.", error.exit_code
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    if isinstance(error, OSError) and error.errno in _NO_ACCESS:
        return f"Cannot use {error.filename or 'a file'}: {_NO_ACCESS[error.errno]}.", 1
    return None


def _write(message: str) -> None:
    sys.stderr.write(f"seqtrain: error: {message}\n")
    sys.stderr.flush()
