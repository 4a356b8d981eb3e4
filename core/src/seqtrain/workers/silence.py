"""Notice that something has not been heard of for a while."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable


class Silence:
    """
    Has a thread act once nothing was heard for some time.

    Args:
        seconds: that is how long.
        act: called once, by the thread.
    """

    def __init__(self, seconds: float, act: Callable[[], None]) -> None:
        self._seconds, self._act = seconds, act
        self._heard = math.inf
        threading.Thread(target=self._listen, name="silence", daemon=True).start()

    def heard(self) -> None:
        """Say that something was heard, and that more is to come."""
        self._heard = time.monotonic()

    def expect_none(self) -> None:
        """Say that nothing is to come, until `heard` is called again."""
        self._heard = math.inf

    def _listen(self) -> None:
        while time.monotonic() < self._heard + self._seconds:
            time.sleep(min(1.0, self._seconds / 4))
        self._act()
