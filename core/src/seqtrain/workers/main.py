"""
One worker of a run, as a launcher or the elastic agent starts it by `WorkerSpec.command_line`.

It says and returns what `seqtrain train` would: results on stdout, the log and errors on stderr, the exit code.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from seqtrain.cli.errors import INTERRUPTED, report
from seqtrain.cli.invocation import finish
from seqtrain.metrics.console import protect_terminal
from seqtrain.metrics.streams import leave_streams, may_lose_stdout, secure_streams
from seqtrain.registry.discovery import discover
from seqtrain.run.request import RunRequest
from seqtrain.workers.report import WorkerReport, is_supervised
from seqtrain.workers.spec import WorkerSpec


def main(arguments: Sequence[str]) -> int:
    """Do what the specification asks for, and return the exit code."""
    if is_supervised():
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # as in the command that started this: nothing to save yet
    verbose = False
    try:
        spec = WorkerSpec.read(" ".join(arguments))
        verbose = spec.verbose
        registry = discover({**os.environ, **spec.plugin_filters})
        request = spec.request(registry)
        if isinstance(request, RunRequest):
            may_lose_stdout()

        from seqtrain import launch  # noqa: PLC0415 - torch, once everything else has turned out right

        exit_code = finish(launch.distributed_main(request, registry))
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the outermost place
        return report(error, verbose=verbose)
    if exit_code and WorkerReport(kind="left", exit_code=exit_code).write():
        return 0  # stopped as it was asked to: for the agent no failure, whatever the command ends with
    return exit_code


def run() -> None:
    """Be the worker that this process's arguments tell of."""
    secure_streams()
    protect_terminal()
    sys.exit(leave_streams(main(sys.argv[1:])))
