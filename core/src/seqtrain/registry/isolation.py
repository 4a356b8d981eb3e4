"""A guard around the import of a plugin's module: what it does there must reach nobody else."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress

from seqtrain.errors import PluginError, SeqtrainError
from seqtrain.registry.component import RegisteredComponent


@contextmanager
def contained() -> Iterator[list[str]]:
    """
    Undo, at the end, what the body does to the process.

    What it prints goes to stderr, as stdout is for results. The environment, the working directory and the warning
    filters are put back; what it takes from `sys.path` is put back, while what it adds there stays, at the end.

    Returns:
        A list that says at the end what had to be undone, and that nobody does without meaning to.
    """
    undone: list[str] = []
    environ, path, folder = dict(os.environ), list(sys.path), _working_directory()
    with redirect_stdout(sys.stderr), warnings.catch_warnings():
        try:
            yield undone
        finally:
            if os.environ != environ:
                changed = {name for name, _ in environ.items() ^ os.environ.items()}
                undone.append(f"changes os.environ ({', '.join(sorted(changed)[:3])})")
                os.environ.clear()
                os.environ.update(environ)
            if sys.path[: len(path)] != path:
                undone.append("changes sys.path")
                sys.path[:] = [*path, *(each for each in sys.path if each not in path)]
            if folder is not None and _working_directory() != folder:
                undone.append("changes the working directory")
                with suppress(OSError):
                    os.chdir(folder)


def _working_directory() -> str | None:
    """Return where we are, None if that place has been removed."""
    try:
        return os.getcwd()  # noqa: PTH109 - pathlib need not be imported for this
    except OSError:
        return None


@contextmanager
def blame(component: RegisteredComponent) -> Iterator[None]:
    """
    Run what a component has made so that its failures name it.

    Raises:
        SeqtrainError: as the component raised it; any other error becomes a `PluginError`.
    """
    try:
        yield
    except SeqtrainError:
        raise
    except Exception as error:
        raise PluginError(
            f"{component} failed: {type(error).__name__}: {error}. Run with -v to see where it happened."
        ) from error
