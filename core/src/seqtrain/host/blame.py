"""Whose fault it is when the code of a component fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from seqtrain.errors import PluginError, SeqtrainError
from seqtrain.host.registered import Registered


@contextmanager
def blame(component: Registered) -> Iterator[None]:
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
