"""Whether a thing says what it is for."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

import click


def undocumented(thing: Any) -> list[str]:
    """Name what has no docstring: a module, class, function or command, and the public methods of a class."""
    return [name for name, each in _with_methods(thing) if not _docstring(each).strip()]


def _with_methods(thing: Any) -> Iterator[tuple[str, Any]]:
    if inspect.ismodule(thing) or not (inspect.isclass(thing) or inspect.isroutine(thing)):
        yield str(getattr(thing, "__name__", type(thing).__qualname__)), thing
        return
    yield thing.__qualname__, thing
    for name, value in vars(thing).items() if inspect.isclass(thing) else ():
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
            yield f"{thing.__qualname__}.{name}", value


def _docstring(thing: Any) -> str:
    if isinstance(thing, click.Command):
        return thing.help or ""
    text = inspect.getdoc(thing) or ""
    is_signature = dataclasses.is_dataclass(thing) and isinstance(thing, type) and text.startswith(f"{thing.__name__}(")
    return "" if is_signature else text  # which is what a dataclass says that says nothing
