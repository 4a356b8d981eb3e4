"""Several short blocks in one example."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence


def best_fit(lengths: Sequence[int], size: int) -> list[list[int]]:
    """
    Put items into bins, the longest first, each into the fullest bin that has room for it.

    Args:
        lengths: of the items, at most `size` each.
        size: of a bin.

    Returns:
        The numbers of the items in each bin, in their order; bins by their first item.

    Source:
        Best fit decreasing; for language models: Ding et al. 2024, arXiv:2404.10830, section 3.2.
    """
    bins: list[list[int]] = []
    with_room: list[deque[int]] = [deque() for _ in range(size + 1)]  # bins by the room they have left
    rooms: list[int] = []  # those that some bin has, ascending
    for item in sorted(range(len(lengths)), key=lambda item: -lengths[item]):
        place = bisect_left(rooms, lengths[item])
        if place == len(rooms):
            chosen, room = len(bins), size
            bins.append([])
        else:
            room = rooms[place]
            chosen = with_room[room].popleft()
            if not with_room[room]:
                del rooms[place]
        bins[chosen].append(item)
        left = room - lengths[item]
        if left and not with_room[left]:
            insort(rooms, left)
        if left:
            with_room[left].append(chosen)
    return sorted(sorted(each) for each in bins)
