"""What is around torch's elastic agent while it works: environment, signals, and what torch itself would say."""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from seqtrain.training.signals import STOP_CODES
from seqtrain.workers.process_group import available_cores
from seqtrain.workers.report import AGENT


@contextmanager
def workers_environment(workers: int, threads: int | None) -> Iterator[None]:
    """Set what the workers find in their environment, besides their places."""
    before = dict(os.environ)
    os.environ[AGENT] = str(os.getpid())
    os.environ["PYTHONSAFEPATH"] = "1"  # as for the command itself, the working directory holds no modules
    passed_on = [each for each in (*STOP_CODES, signal.SIGQUIT) if signal.getsignal(each) != signal.SIG_IGN]
    os.environ["TORCHELASTIC_SIGNALS_TO_HANDLE"] = ",".join(each.name for each in passed_on)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # its warnings of lost connections are long
    os.environ.setdefault("OMP_NUM_THREADS", str(threads or max(1, len(available_cores()) // workers)))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def signals_restored() -> Iterator[None]:
    """Take back, in the end, the handlers that torch sets."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGQUIT, signal.SIGUSR1, *STOP_CODES)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def quiet_torch() -> Iterator[None]:
    """Keep what torch logs about its workers from the terminal: we say it, once."""
    logger = logging.getLogger("torch.distributed.elastic")
    before, nowhere = logger.propagate, logging.NullHandler()
    logger.propagate = False
    logger.addHandler(nowhere)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"torch\.")
            yield
    finally:
        logger.propagate = before
        logger.removeHandler(nowhere)
