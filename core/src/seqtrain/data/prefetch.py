"""Make the next items ready in a thread while the current one is used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


def prefetched(items: Iterable[T], depth: int) -> Iterator[T]:
    """
    Yield the items in order, with up to `depth` of them made ahead by one thread.

    An exception in the thread is raised here, at the item it belongs to. When the consumer leaves early, the thread
    ends with it. With depth 0 there is no thread.
    """
    if depth == 0:
        yield from items
        return
    ready: queue.Queue[_Item[T] | _End] = queue.Queue(depth)
    left = threading.Event()
    thread = threading.Thread(target=_produce, args=(items, ready, left), name="seqtrain-prefetch", daemon=True)
    thread.start()
    try:
        while isinstance(made := ready.get(), _Item):
            yield made.value
        if made.error is not None:
            raise made.error
    finally:
        left.set()
        thread.join()


@dataclass(frozen=True)
class _Item(Generic[T]):
    value: T


@dataclass(frozen=True)
class _End:
    error: BaseException | None = None


def _produce(items: Iterable[T], ready: queue.Queue[_Item[T] | _End], left: threading.Event) -> None:
    """Put the items and then an end, until the consumer has left."""
    end = _End()
    try:
        for item in items:
            if not _put(_Item(item), ready, left):
                return
    except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the consumer
        end = _End(error)
    _put(end, ready, left)


def _put(made: _Item[T] | _End, ready: queue.Queue[_Item[T] | _End], left: threading.Event) -> bool:
    while not left.is_set():
        try:
            ready.put(made, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False
