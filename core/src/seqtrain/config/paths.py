"""The paths that a user writes: `~` is the home folder in all of them, as shells have it."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def expand_home(value: Any) -> Any:
    """
    Put the home folder for `~`, or that of a user for `~user`, at the start of a path.

    A user that nobody knows leaves the path as it is, and so does a lack of home folders.

    Args:
        value: a text or `Path`, or lists and maps of such; what else there is stays.
    """
    if isinstance(value, str):
        return os.path.expanduser(value)  # noqa: PTH111 - pathlib raises where there is no such user
    if isinstance(value, Path):
        return Path(expand_home(str(value)))
    if isinstance(value, Mapping):
        return {key: expand_home(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(expand_home, value))
    return value
