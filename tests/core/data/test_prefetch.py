"""Making items ready in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from seqtrain.data.epoch_iterator import prefetch


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_items_come_in_order(depth: int) -> None:
    """The thread changes nothing about what comes."""
    assert list(range(20)) == list(prefetch(range(20), depth))


@pytest.mark.parametrize("depth", [0, 2])
def test_an_error_comes_at_its_item(depth: int) -> None:
    """Items before the error are handed out; the error itself is raised by the consumer."""

    def failing() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("the third")

    items = prefetch(failing(), depth)

    assert [1, 2] == [next(items), next(items)]
    with pytest.raises(ValueError, match="the third"):
        next(items)


def test_leaving_early_ends_the_thread() -> None:
    """No thread is left behind by a consumer that stops, however far ahead the producer is."""
    before = threading.active_count()
    items = prefetch(iter(int, 1), 2)  # zeros without end
    next(items)
    items.close()  # type: ignore[attr-defined]

    assert before == threading.active_count()


def test_none_is_an_item_like_any_other() -> None:
    """Only the end of the items ends them."""
    assert [None, 0, None] == list(prefetch([None, 0, None], 1))
