"""
Start, watch and restart the workers of this host, by torch's elastic agent.

The agent meets those of other hosts, gives out ranks and starts processes; what is added here is which of several
failures the user is told of, when another try is worth it, and how signals are passed on.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from torch.distributed.elastic.agent.server.api import RunResult, WorkerGroup, WorkerSpec, WorkerState
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.api import SubprocessContext
from torch.distributed.elastic.rendezvous.api import RendezvousError

from seqtrain.errors import TrainingError
from seqtrain.training.signals import STOP_CODES, ignore_hangups
from seqtrain.workers.local.environment import quiet_torch, signals_restored, workers_environment
from seqtrain.workers.local.failure import EndedWorker, RootCause, find_root_cause
from seqtrain.workers.local.rendezvous import close, create_rendezvous_handler, rendezvous_failure
from seqtrain.workers.report import ATTEMPT, RENDEZVOUS_ID, WorkerReport

_ANSWER_SECONDS = 30  # for the agents of other hosts to say anything
_GRACE = 5.0  # between the first worker that lost another, and the last word of that one
_END_SECONDS = 30  # for the other workers to end, once one has failed
_ROLE = "worker"


def run_workers(
    command: Sequence[str],
    *,
    workers: int,
    nodes: int = 1,
    rendezvous: str | None = None,
    max_restarts: int = 0,
    stop_seconds: int = 300,
    threads: int | None = None,
) -> int:
    """
    Run a command once for each worker of this host, and wait until all have ended.

    Each finds its place in its environment (`WorldInfo`), and joins the others by `join_process_group`. A signal that
    ends a run is passed on once, and the workers have time to save; a second one ends them. SIGUSR1 is passed on.

    Args:
        command: a program and its arguments.
        workers: processes on this host.
        nodes: hosts, on each of which this is called.
        rendezvous: HOST:PORT where they meet; HOST is one of them.
        max_restarts: how often all workers are started again after one has failed.
        stop_seconds: time for the workers to save and end in.
        threads: of each worker; by default the host's cores are divided.

    Returns:
        The exit code of the command as a whole: 0, that of the first worker that failed, or that of a signal.
        What there is to say about a failure has been written to stderr.

    Raises:
        UsageError: several hosts are to create_rendezvous_handler, and where is not said, or not as HOST:PORT.
        TrainingError: they do not meet in time.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="seqtrain-workers-")))
        stack.enter_context(workers_environment(workers, threads))
        stack.enter_context(signals_restored())
        stack.enter_context(quiet_torch())
        handler = create_rendezvous_handler(nodes, rendezvous)
        stack.callback(close, handler)
        spec = WorkerSpec(
            role=_ROLE,
            local_world_size=workers,
            entrypoint=command[0],
            args=tuple(each.replace("$", "$$") for each in command[1:]),  # torch puts the rank in place of ${...}
            rdzv_handler=handler,
            max_restarts=max_restarts,
        )
        return Agent(spec, folder, stop_seconds).result(rendezvous)


class Agent(LocalElasticAgent):
    """
    Torch's agent for the workers of one host, with our own judgement of how they end.

    Args:
        spec: what to run, how often.
        folder: for what the workers report.
        stop_seconds: time for them to save and end in when a signal comes.
    """

    def __init__(self, spec: WorkerSpec, folder: Path, stop_seconds: int) -> None:
        super().__init__(spec, DefaultLogsSpecs(log_dir=str(folder)), shutdown_timeout=stop_seconds)
        self._max_restarts, self._stop_seconds = spec.max_restarts, stop_seconds
        self._attempts = self._restarts = 0
        self._ended: dict[int, EndedWorker] = {}
        self._looked = self._failed_at = 0.0
        self._root_cause: RootCause | None = None
        self._folder = folder
        self._heartbeat = Heartbeat(_ANSWER_SECONDS, self._give_up)

    def result(self, rendezvous: str | None) -> int:
        """Run the workers, and return the exit code of the command."""
        try:
            result = self.run(_ROLE)
        except SignalException as stop:
            return self._stopped(stop.sigval)
        except RendezvousError as error:
            raise TrainingError(rendezvous_failure(error, rendezvous)) from error
        if result is None or result.state != WorkerState.SUCCEEDED:
            return self._root_cause.exit_code if self._root_cause is not None else 1
        return max((each.exit_code for each in self._reports().values() if each is not None), default=0)

    def _start_workers(self, worker_group: WorkerGroup) -> dict[int, Any]:
        """Start the workers; they are told how often that was done before, and what all hosts call this time."""
        self._ended, self._root_cause, self._failed_at = {}, None, 0.0
        store: Any = worker_group.store  # of this rendezvous of the hosts alone
        if worker_group.group_rank == 0:
            store.set("seqtrain/rendezvous", f"{platform.node()}-{os.getpid()}-{self._attempts}")
        os.environ[RENDEZVOUS_ID] = store.get("seqtrain/rendezvous").decode()
        os.environ[ATTEMPT] = str(self._attempts)
        self._attempts += 1
        started: dict[int, Any] = super()._start_workers(worker_group)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGUSR1, self._pass_on)
        self._heartbeat.beat()
        return started

    def _monitor_workers(self, worker_group: WorkerGroup) -> RunResult:
        """Look for workers that have ended, and decide what that means for the others."""
        self._heartbeat.beat()
        self._look()
        now = time.monotonic()
        if not self._failed_at and not all(each.in_order for each in self._ended.values()):
            self._failed_at = now
        reports = self._reports()
        self._root_cause = find_root_cause(self._ended, reports, may_wait=now < self._failed_at + _GRACE)
        if self._root_cause is not None:
            self._tell(self._root_cause)
            return RunResult(state=WorkerState.FAILED)
        if len(self._ended) == len(reports):
            return RunResult(state=WorkerState.SUCCEEDED, return_values=dict.fromkeys(reports))
        return RunResult(state=WorkerState.HEALTHY)

    def _stop_workers(self, worker_group: WorkerGroup) -> None:
        """End what still runs, after a failure; who is stopped (SIGSTOP) has to go on to hear of it."""
        stuck = self._root_cause is not None and self._root_cause.stuck
        for process in self._processes().values():
            process.send_signal(signal.SIGKILL if stuck else signal.SIGCONT)
        self._shutdown(signal.SIGTERM, timeout=_END_SECONDS)

    def _shutdown(self, death_sig: signal.Signals = signal.SIGTERM, timeout: int = 30) -> None:
        """End the workers, which may take a while."""
        self._heartbeat.pause()
        if death_sig == signal.SIGHUP:
            ignore_hangups()  # the shell sends another
        super()._shutdown(death_sig, timeout)

    def _give_up(self) -> None:
        """
        End this host's workers and this process: the agents of other hosts do not answer.

        Between two looks at its workers the agent asks whether more hosts want to join, and torch waits for an answer
        in a call that no timeout ends when the network is cut without a word.
        """
        self._look()
        for process in self._processes().values():
            process.kill()
        cause = find_root_cause(self._ended, self._reports(), may_wait=False)
        worker = f" Here, {cause.message}" if cause is not None else ""
        _say(
            f"seqtrain: error: the other hosts have not answered for {_ANSWER_SECONDS} s: one is gone, or the network "
            f"between them.{worker}\nThe same command, on each host, goes on from the newest checkpoint."
        )
        shutil.rmtree(self._folder, ignore_errors=True)
        os._exit(1)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        for process in self._processes().values():
            process.send_signal(number)

    def _tell(self, cause: RootCause) -> None:
        """Write down the failure, and whether the workers are started again."""
        again = self._restarts < self._max_restarts and not cause.hopeless
        if again:
            self._restarts += 1
            count = f"restart {self._restarts} of {self._max_restarts}"
            outlook = f"\nseqtrain: starting all workers again, from the newest checkpoint ({count})"
        else:
            self._remaining_restarts = 0  # as torch's own agent does where another try cannot help
            outlook = ""
        _say(f"{cause.traceback}seqtrain: error: {cause.message}{outlook}")

    def _stopped(self, number: signal.Signals) -> int:
        """Return the exit code after a signal has been passed on and the workers have ended, or were made to."""
        self._look()
        reports = self._reports()
        killed = [rank for rank, each in self._ended.items() if each.exit_code == -signal.SIGKILL]
        if killed:
            names = ", ".join(map(str, killed))
            _say(f"seqtrain: error: worker {names} did not end within {self._stop_seconds} s, and was killed.")
        failed = {rank: each for rank, each in self._ended.items() if each.report and each.report.kind == "failed"}
        cause = find_root_cause(failed, {rank: reports[rank] for rank in failed}, may_wait=False)
        if cause is not None:
            _say(f"{cause.traceback}seqtrain: error: {cause.message}")
            return cause.exit_code
        codes = [each.report.exit_code for each in self._ended.values() if each.in_order and each.report]
        if self._ended and len(codes) == len(reports):
            return max(codes)
        return STOP_CODES.get(number, 128 + number)

    def _look(self) -> None:
        """Note which workers have ended since the last look."""
        processes, reports = self._processes(), self._reports()
        for rank, process in processes.items():
            code = process.poll()
            if code is not None and rank not in self._ended:
                report = reports[rank]
                ended_at = report.time if report is not None else self._looked
                self._ended[rank] = EndedWorker(exit_code=code, time=ended_at, report=report)
        self._looked = time.time()

    def _processes(self) -> dict[int, subprocess.Popen[bytes]]:
        """Return the workers' processes by rank; none before they are started."""
        if not isinstance(self._pcontext, SubprocessContext):
            return {}
        handlers = self._pcontext.subprocess_handlers
        workers = self.get_worker_group().workers
        return {each.global_rank: handlers[each.local_rank].proc for each in workers if each.local_rank in handlers}

    def _reports(self) -> dict[int, WorkerReport | None]:
        """Return what each worker has said of its end, by rank."""
        if self._pcontext is None:
            return {}
        files = self._pcontext.error_files
        workers = self.get_worker_group().workers
        return {each.global_rank: WorkerReport.read(Path(files[each.local_rank]).parent) for each in workers}


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


class Heartbeat:
    """
    Has a thread act once there was no beat for some time.

    Time in which this process itself was stopped, as by Ctrl-Z, does not count.

    Args:
        seconds: that is how long.
        act: called once, by the thread.
    """

    def __init__(self, seconds: float, act: Callable[[], None]) -> None:
        self._seconds, self._act = seconds, act
        self._heard: int | None = None  # how often so far; None if nothing is expected
        threading.Thread(target=self._listen, name="heartbeat", daemon=True).start()

    def beat(self) -> None:
        """Say that the other side lives, and that another beat is to come."""
        self._heard = (self._heard or 0) + 1

    def pause(self) -> None:
        """Expect no beat until the next call of `beat`."""
        self._heard = None

    def _listen(self) -> None:
        nap, silent, before = min(1.0, self._seconds / 4), 0.0, self._heard
        while silent < self._seconds:
            time.sleep(nap)
            now = self._heard
            silent = 0.0 if now is None or now != before else silent + nap
            before = now
        self._act()
