"""Best fit decreasing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seqtrain_lm.packing import best_fit


def test_an_item_goes_into_the_fullest_bin_that_has_room() -> None:
    """After 7 and 5, the 3 goes to the 7 and fills it; the 4 to the 5; the 2 needs a bin of its own."""
    assert [[0, 2], [1, 3], [4]] == best_fit([7, 5, 3, 4, 2], 10)


def test_nothing_gives_nothing() -> None:
    """Without items there are no bins."""
    assert [] == best_fit([], 4)


@given(st.lists(st.integers(1, 9), max_size=60))
def test_bins_hold_every_item_once_and_no_more_than_fits(lengths: list[int]) -> None:
    """Items come in their order, within bins and from bin to bin."""
    bins = best_fit(lengths, 9)

    assert list(range(len(lengths))) == sorted(item for each in bins for item in each)
    assert all(sum(lengths[item] for item in each) <= 9 for each in bins)
    assert [sorted(each) for each in sorted(bins)] == bins


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60))
def test_no_two_bins_could_be_one(lengths: list[int]) -> None:
    """Any two bins together are more than a bin holds, so all but one are more than half full."""
    sums = sorted(sum(lengths[item] for item in each) for each in best_fit(lengths, 9))

    assert len(sums) == 1 or sums[0] + sums[1] > 9
