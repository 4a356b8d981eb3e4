"""What settings say of tables. Light, because the configs of tasks import it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class TableOptions:
    """
    What is said of tables, where they do not tell it themselves.

    Args:
        columns: names of the columns of a file whose first line is a row already; None: it names them.
        separator: what is between cells; None: as the first lines tell.
    """

    columns: tuple[str, ...] | None = None
    separator: str | None = None
