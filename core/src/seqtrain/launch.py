"""
From one command to the processes that train.

Today there is one process, this one. Several workers, and jobs that a launcher such as torchrun or SLURM has already
started, will begin in `call_main` and meet in `distributed_main`, which is what each worker runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from seqtrain import train
from seqtrain.errors import ConfigError
from seqtrain.host.registry import Registry
from seqtrain.results import Results
from seqtrain.run_start import RunRequest


def call_main(request: RunRequest, registry: Registry, environ: Mapping[str, str] = os.environ) -> Results:
    """
    Run the training that was asked for, in as many processes as it takes.

    Raises:
        ConfigError: more than one worker was asked for, here or by the launcher that started this process.
    """
    distributed = request.config.distributed
    workers = max(distributed.workers * distributed.nodes, int(environ.get("WORLD_SIZE") or 1))
    if workers > 1:
        raise ConfigError(
            f"{workers} workers were asked for (distributed.workers, distributed.nodes or WORLD_SIZE), but this "
            "version of seqtrain trains in one process. Use distributed.workers=1; larger steps come from "
            "trainer.micro_batches_per_step."
        )
    return distributed_main(request, registry)


def distributed_main(request: RunRequest, registry: Registry) -> Results:
    """Run one worker. Its process group would be made here; its device and seeds are the engine's."""
    return train.main(request, registry)
