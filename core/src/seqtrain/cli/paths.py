"""The paths of the command line."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import click

from seqtrain.config.paths import expand_home


class UserPath(click.Path):
    """A path in which `~` is the home folder; one that the system cannot have, as it is too long, is refused."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read what was typed."""
        path = expand_home(value)
        try:
            os.lstat(path)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                self.fail(f"{os.fspath(path)[:80]!r}... is too long for a path.", param, ctx)
        except ValueError as error:  # a zero byte
            self.fail(f"{os.fspath(path)[:80]!r}: {error}.", param, ctx)
        return super().convert(path, param, ctx)
