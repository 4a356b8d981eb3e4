"""Notice that something has not been heard of for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Silence:
    """
    Has a thread act once nothing was heard for some time.

    Time in which this process itself was stopped, as by Ctrl-Z, does not count.

    Args:
        seconds: that is how long.
        act: called once, by the thread.
    """

    def __init__(self, seconds: float, act: Callable[[], None]) -> None:
        self._seconds, self._act = seconds, act
        self._heard: int | None = None  # how often so far; None if nothing is expected
        threading.Thread(target=self._listen, name="silence", daemon=True).start()

    def heard(self) -> None:
        """Say that something was heard, and that more is to come."""
        self._heard = (self._heard or 0) + 1

    def expect_none(self) -> None:
        """Say that nothing is to come, until `heard` is called again."""
        self._heard = None

    def _listen(self) -> None:
        nap, silent, before = min(1.0, self._seconds / 4), 0.0, self._heard
        while silent < self._seconds:
            time.sleep(nap)
            now = self._heard
            silent = 0.0 if now is None or now != before else silent + nap
            before = now
        self._act()
