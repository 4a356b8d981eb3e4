"""
One worker of a run, as a launcher starts it: `python -m seqtrain.worker SPEC`.

It says and returns what `seqtrain train` would: results on stdout, the log and errors on stderr, the exit code.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from seqtrain.cli.errors import INTERRUPTED, report
from seqtrain.host.discovery import discover
from seqtrain.worker_spec import WorkerSpec


def main(arguments: Sequence[str]) -> int:
    """Do what the specification asks for, and return the exit code."""
    verbose = False
    try:
        spec = WorkerSpec.read(" ".join(arguments))
        verbose = spec.verbose
        registry = discover({**os.environ, **spec.switches})
        request = spec.request(registry)

        from seqtrain import launch  # noqa: PLC0415 - torch, once everything else has turned out right

        results = launch.distributed_main(request, registry)
        if not results.exit_code:
            sys.stdout.write(f"{results.summary()}\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the outermost place
        return report(error, verbose=verbose)
    return results.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
