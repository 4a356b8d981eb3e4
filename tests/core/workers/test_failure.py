"""Of several workers that ended, which one the user is told of."""

from __future__ import annotations

import signal

import pytest

from seqtrain.workers.local.failure import EndedWorker, exit_status, find_root_cause
from seqtrain.workers.report import WorkerReport


def ended(
    code: int, kind: str | None = None, time: float = 0.0, exit_code: int = 1, message: str = "no"
) -> EndedWorker:
    report = None if kind is None else WorkerReport(kind=kind, exit_code=exit_code, message=message, time=time)
    return EndedWorker(exit_code=code, time=time, report=report)


def root_cause(*workers: EndedWorker | None, may_wait: bool = False):
    """Judge workers of which None are running."""
    done = {rank: each for rank, each in enumerate(workers) if each is not None}
    reports = {rank: None if each is None else each.report for rank, each in enumerate(workers)}
    return find_root_cause(done, reports, may_wait=may_wait)


LEFT, LOST = ended(0, "left", exit_code=0), ended(1, "lost", 0.5, message="lost the connection")


@pytest.mark.parametrize(
    "workers", [(None, None), (LEFT, None), (LEFT, LEFT), (ended(0), ended(0))],
    ids=["all run", "one has left", "all have left", "without a group"],
)  # fmt: skip
def test_no_failure_is_none(workers) -> None:
    """Nor is it one to do without a process group."""
    assert root_cause(*workers) is None


@pytest.mark.parametrize(
    ("cause", "said", "code"),
    [
        (ended(5, "failed", 9.0, 5, "train.en:3: no"), "worker 1: train.en:3: no", 5),
        (ended(-signal.SIGKILL, time=9.0), "worker 1 was killed by SIGKILL", 137),
        (ended(-signal.SIGSEGV, time=9.0), "worker 1 was killed by SIGSEGV", 139),
        (ended(-64, time=9.0), "worker 1 was killed by", 192),
        (ended(7, time=9.0), "worker 1 ended with exit code 7", 7),
        (ended(0, time=9.0), "worker 1 left early with exit code 0 while others were training", 1),
    ],
)
def test_who_lost_a_connection_is_not_the_cause(cause, said, code) -> None:
    """Whatever the times: it may have been noticed first."""
    found = root_cause(LOST, cause)

    assert found.message.startswith(said)
    assert found.exit_code == code
    assert root_cause(ended(-signal.SIGABRT), cause).message.startswith(said) or cause.exit_code == 0


def test_the_first_of_several_causes_is_told() -> None:
    """By the time of each."""
    late, early = ended(1, "failed", 2.0, message="late"), ended(1, "failed", 1.0, message="early")

    assert root_cause(late, early).message == "worker 1: early"
    assert root_cause(early, late).message == "worker 0: early"


def test_the_last_word_is_waited_for() -> None:
    """As long as a worker is running that may be the cause."""
    assert root_cause(LOST, None, may_wait=True) is None
    assert root_cause(ended(0), None, may_wait=True) is None
    assert root_cause(LOST, None).message == "worker 0: lost the connection"
    assert root_cause(LOST, LOST, may_wait=True).message == "worker 0: lost the connection"
    assert root_cause(ended(1, "failed"), None, may_wait=True) is not None


@pytest.mark.parametrize(("kind", "code", "hopeless"), [("failed", 3, True), ("failed", 1, False), ("lost", 3, False)])
def test_another_try_is_not_worth_it_for_what_the_user_has_to_mend(kind, code, hopeless) -> None:
    """Settings, plugins and data stay as they are."""
    assert root_cause(ended(code, kind, exit_code=code)).hopeless is hopeless


def test_all_places_are_told_where_nobody_moves() -> None:
    """And who said nothing at all."""
    found = root_cause(ended(1, "stuck", message="made no progress for 5 s: waiting in a.py:1, f"), None)

    assert found.stuck
    assert "worker 0 made no progress for 5 s: waiting in a.py:1, f" in found.message
    assert "worker 1 printed nothing: it is stopped" in found.message


def test_a_signal_is_counted_as_shells_do() -> None:
    """From 128 on."""
    assert [exit_status(code) for code in (0, 3, -9)] == [0, 3, 137]
