"""Make the next items ready in a thread while the current one is used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

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
    ready: queue.Queue[tuple[bool, object]] = queue.Queue(depth)
    left = threading.Event()

    def put(is_item: bool, value: object) -> bool:
        while not left.is_set():
            try:
                ready.put((is_item, value), timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def produce() -> None:
        try:
            for item in items:
                if not put(True, item):
                    return
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the consumer
            put(False, error)
        else:
            put(False, None)

    thread = threading.Thread(target=produce, name="seqtrain-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            is_item, value = ready.get()
            if is_item:
                yield value  # type: ignore[misc]
            elif value is None:
                return
            else:
                assert isinstance(value, BaseException)
                raise value
    finally:
        left.set()
        thread.join()
