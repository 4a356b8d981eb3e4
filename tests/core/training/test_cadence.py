"""Cadences."""

from __future__ import annotations

import pytest

from seqtrain.training.cadence import Every
from seqtrain.training.progress import Progress


@pytest.mark.parametrize(("step", "due"), [(1, False), (3, True), (4, False), (6, True)])
def test_steps_repeat(step: int, due: bool) -> None:
    """Every(steps=3) is due at 3, 6, ..."""
    assert due == Every(steps=3).due(Progress(step=step))


@pytest.mark.parametrize(
    ("epoch", "ended", "due"), [(1, True, False), (2, False, False), (2, True, True), (4, True, True)]
)
def test_epochs_repeat_at_their_ends(epoch: int, ended: bool, due: bool) -> None:
    """Every(epochs=2) is due when an even epoch has just ended."""
    assert due == Every(epochs=2).due(Progress(step=7, epoch=epoch, epoch_ended=ended))


def test_with_neither_it_is_never_due() -> None:
    """A cadence without a unit is the null object."""
    assert not Every().due(Progress(step=100, epoch_ended=True))


def test_both_units_are_refused() -> None:
    """A cadence is one value."""
    with pytest.raises(ValueError, match="not both"):
        Every(steps=1, epochs=1)
