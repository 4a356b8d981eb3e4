"""The launcher: from a command to a job of SLURM's, and back to an exit code."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError, environment_variables
from submitit.helpers import clean_env

from seqtrain.api import ConfigError, PluginError
from seqtrain_submitit.config import SubmititConfig
from seqtrain_submitit.jobs import LocalJob, RunningJob, SlurmJob, tell
from seqtrain_submitit.output import WorkersOutput
from seqtrain_submitit.worker import run_worker

_SECONDS = 0.2  # between two looks at the workers
_SECONDS_TO_REPEAT = 5.0  # until workers are told once more
_NO_LIMIT = 10 * 365 * 24 * 60  # minutes; nobody else waits for this machine


class SubmititLauncher:
    """
    Starts workers as tasks of a SLURM job, or on this machine, shows what they say, and waits for them.

    Args:
        config: what to ask SLURM for.
    """

    def __init__(self, config: SubmititConfig) -> None:
        self.config = config

    def __call__(self, command: Sequence[str], /, *, workers: int, nodes: int) -> int:
        """
        Run a command once for each worker, and return the exit code.

        Raises:
            ConfigError: the job cannot be had, such as one of two hosts on this machine.
            PluginError: SLURM refuses the job.
        """
        with _interrupts_held() as let_interrupts_through:
            job = self._submit(command, workers, nodes)
            output = WorkersOutput(job.paths)
            try:
                try:
                    let_interrupts_through()
                    self._wait(job, output)
                except (KeyboardInterrupt, SystemExit):
                    self._wait(job, output, stopping=True)
            except BaseException:  # the second interrupt, or a fault: nobody would look after the job
                job.kill()
                raise
        output.show_rest()
        return job.exit_code()

    def _submit(self, command: Sequence[str], workers: int, nodes: int) -> RunningJob:
        is_local = self.config.executor == "local"
        if is_local and nodes > 1:
            raise ConfigError(
                f"distributed.nodes is {nodes}, but distributed.launcher.executor=local starts workers on one host."
            )
        folder = Path(self.config.folder).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=folder))
        parameters = {"nodes": nodes, "tasks_per_node": workers, "gpus_per_node": self.config.gpus_per_node}
        with _environment_of_jobs():
            if is_local:
                executor: submitit.Executor = submitit.LocalExecutor(folder)
                executor.update_parameters(**parameters, timeout_min=_NO_LIMIT)
            else:
                executor = self._slurm(folder, parameters)
            job = self._submitted(executor, command, folder)
        tell(f"{'Local' if is_local else 'SLURM'} job {job.job_id}; its logs are in {folder}")
        return (LocalJob if is_local else SlurmJob)(job, workers * nodes)

    def _slurm(self, folder: Path, parameters: dict[str, int]) -> submitit.Executor:
        config = self.config
        try:
            executor = submitit.AutoExecutor(folder, cluster="slurm")
        except RuntimeError as error:
            raise ConfigError(
                "distributed.launcher.name=submitit sends runs to SLURM, but there is no `srun` on this machine. Start "
                "the run where there is one, or choose distributed.launcher.executor=local."
            ) from error
        executor.update_parameters(
            name="seqtrain",
            **{name: number for name, number in parameters.items() if number},
            timeout_min=config.minutes,
            cpus_per_task=config.cpus_per_task,
            mem_gb=config.memory_gb,
            slurm_partition=config.partition,
            slurm_account=config.account,
            slurm_signal_delay_s=config.save_seconds,
            slurm_srun_args=[f"--cpus-per-task={config.cpus_per_task}"] if config.cpus_per_task else None,
            slurm_additional_parameters={
                **({"requeue": True} if config.requeues else {}),
                "chdir": str(folder),
                **config.extra,
            },
        )
        return executor

    def _submitted(self, executor: submitit.Executor, command: Sequence[str], folder: Path) -> submitit.Job[Any]:
        """Submit the job. Before 3.11 its Python looks for modules where it starts, so that is the job's own folder."""
        try:
            directory = os.getcwd()  # noqa: PTH109
            with _working_directory(folder if self.config.executor == "local" else Path(directory)):
                return executor.submit(run_worker, list(command), directory, self.config.requeues)
        except (FailedJobError, FailedSubmissionError) as error:
            raise PluginError(f"SLURM does not take the job: {error}") from error

    def _wait(self, job: RunningJob, output: WorkersOutput, *, stopping: bool = False) -> None:
        """Show what workers say until they have ended; once one has failed, or if told so, end the others."""
        next_call = deadline = 0.0
        while not job.is_over():
            output.show()
            now = time.monotonic()
            if (stopping or job.has_failed()) and now >= next_call:
                deadline = deadline or now + self.config.stop_seconds
                next_call = now + _SECONDS_TO_REPEAT
                if now < deadline:
                    job.stop()
                else:
                    job.kill()
            time.sleep(_SECONDS)


@contextmanager
def _interrupts_held() -> Iterator[Callable[[], None]]:
    """
    Hold Ctrl-C back until there is a job that can be told of it.

    What is started meanwhile never hears of it, as a terminal would tell the processes of a local job, too.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])

    def let_through() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        yield let_through
    finally:
        let_through()


@contextmanager
def _working_directory(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _environment_of_jobs() -> Iterator[None]:
    """
    Let the job inherit an environment for jobs.

    It is no part of a job that this process may be in, and submitit says nothing of its own.
    """
    with clean_env(), environment_variables(PYTHONSAFEPATH="1", SUBMITIT_LOG_LEVEL="ERROR"):
        yield
