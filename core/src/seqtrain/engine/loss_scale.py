"""The factor that keeps small gradients from vanishing in float16."""

from __future__ import annotations

HIGHEST = 2.0**24
LOWEST = 2.0**-13
_START = 2.0**12
_GROWS_AFTER = 2000  # updates


class LossScale:
    """
    What losses are multiplied by before the backward pass, and gradients divided by after it.

    It is halved when the gradient overflows, and doubled when it has not for some time; a power of two, so that nothing
    is rounded by it. torch's `GradScaler` does the same, but looks at the gradients itself, on each worker anew, and
    takes a pass of its own over them to divide; here the norm over all workers tells, and one multiplication does.
    It also starts at 2**16, which is beyond float16 for losses that are summed over targets.

    Source:
        Micikevicius et al. 2018, arXiv:1710.03740, section 3.2.
    """

    def __init__(self) -> None:
        self.value = _START
        self._since = 0  # updates since it last changed

    def lower(self) -> bool:
        """Halve it, as the gradient has overflowed; say whether it is still one that helps."""
        self.value /= 2
        self._since = 0
        return self.value >= LOWEST

    def count_update(self) -> None:
        """Count an update, and double it when it is time."""
        self._since += 1
        if self._since == _GROWS_AFTER:
            self.value = min(self.value * 2, HIGHEST)
            self._since = 0

    def state_dict(self) -> dict[str, float]:
        """Return the scale and how long it has been that."""
        return {"value": self.value, "since": self._since}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Take over a saved state."""
        self.value, self._since = float(state["value"]), int(state["since"])
