"""Which of several workers failed first, and what the user is told of it."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass

from seqtrain.workers.report import WorkerReport

_HOPELESS = (2, 3, 4, 5)  # usage, configuration, plugin, data or checkpoint: another try would end the same way


@dataclass(frozen=True, kw_only=True)
class EndedWorker:
    """
    A worker that has ended.

    Args:
        exit_code: negative for the signal that killed it.
        time: when it was running for the last time, as far as is known.
        report: what it said itself.
    """

    exit_code: int
    time: float
    report: WorkerReport | None

    @property
    def in_order(self) -> bool:
        """Whether it did what it was to do."""
        return self.exit_code == 0 and self.report is not None and self.report.kind == "left"

    @property
    def is_cause(self) -> bool:
        """Whether it ended of itself for sure, and not because another had."""
        if self.report is None:
            return self.exit_code not in (0, -signal.SIGABRT)  # libraries abort when they lose a connection
        return self.report.kind in ("failed", "stuck")


@dataclass(frozen=True, kw_only=True)
class RootCause:
    """
    What ended the job.

    Args:
        message: for the user.
        traceback: to be shown before it; perhaps empty.
        exit_code: what the command should end with.
        hopeless: starting again would change nothing.
        stuck: nothing can be expected of any worker any more.
    """

    message: str
    exit_code: int
    traceback: str = ""
    hopeless: bool = False
    stuck: bool = False


def find_root_cause(
    ended: Mapping[int, EndedWorker], reports: Mapping[int, WorkerReport | None], *, may_wait: bool
) -> RootCause | None:
    """
    Find the first failure among the workers of a host.

    Args:
        ended: those that have ended, by rank.
        reports: what each of all of them has said so far.
        may_wait: more may become known soon: a worker may still be writing down its error.

    Returns:
        None if there is no failure, or none yet.
    """
    failed = {rank: each for rank, each in ended.items() if not each.in_order}
    causes = {rank: each for rank, each in failed.items() if each.is_cause}
    running = len(reports) > len(ended)
    if not failed or (not causes and running and may_wait):
        return None
    if not running and all(each.exit_code == 0 for each in ended.values()):
        return None  # they did without a process group, or it was not left in order by any
    rank, first = min((causes or failed).items(), key=lambda item: (_indirect(item[1]), item[1].time, item[0]))
    if first.report is not None and first.report.kind == "stuck":
        return RootCause(message=_told_of_stuck(reports), exit_code=1, stuck=True)
    return _root_cause(rank, first)


def exit_status(code: int) -> int:
    """Return an exit code as shells count it; `subprocess` counts a signal downwards from 0."""
    return code if code >= 0 else 128 - code


def _indirect(ended: EndedWorker) -> int:
    """Rank the ways to end that are not a cause: who left without a word before who lost a connection by it."""
    return 2 if ended.report is not None and ended.report.kind == "lost" else int(not ended.is_cause)


def _root_cause(rank: int, ended: EndedWorker) -> RootCause:
    report, code = ended.report, ended.exit_code
    if report is not None and report.kind != "left":
        return RootCause(
            message=f"worker {rank}: {report.message}",
            traceback=report.traceback,
            exit_code=report.exit_code or 1,
            hopeless=report.kind == "failed" and report.exit_code in _HOPELESS,
        )
    if code < 0:
        return RootCause(
            message=f"worker {rank} was killed by {_name(-code)}.{_hint(-code)}", exit_code=exit_status(code)
        )
    if code == 0:
        return RootCause(message=f"worker {rank} left early with exit code 0 while others were training.", exit_code=1)
    return RootCause(message=f"worker {rank} ended with exit code {code} and did not say why.", exit_code=code)


def _name(number: int) -> str:
    return signal.Signals(number).name if number in signal.Signals.__members__.values() else f"signal {number}"


def _hint(number: int) -> str:
    if number != signal.SIGKILL:
        return ""
    return " If nobody did that by hand, it was the system, short of memory: see `dmesg`, or the job's accounting."


def _told_of_stuck(reports: Mapping[int, WorkerReport | None]) -> str:
    lines = [
        f"worker {rank} {report.message}"
        for rank, report in reports.items()
        if report is not None and report.kind == "stuck"
    ]
    for rank, report in reports.items():
        if report is None:
            lines.append(f"worker {rank} printed nothing: it is stopped (SIGSTOP), or stuck outside Python")
    return "\n  ".join(["no progress; the stacks are above.", *lines])
