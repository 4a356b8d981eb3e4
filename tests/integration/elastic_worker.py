"""A worker that joins the others and then does what is said for its rank; for the tests of the agent."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist

from seqtrain.cli.errors import report
from seqtrain.config.schema import DistributedConfig
from seqtrain.errors import DataError
from seqtrain.launch import join_process_group
from seqtrain.workers.report import ATTEMPT, WorkerReport
from seqtrain.workers.watchdog import Watchdog
from seqtrain.workers.world import WorldInfo


def main(folder: Path, what: list[str]) -> int:
    world = WorldInfo.from_environment(os.environ)
    assert world is not None
    distributed = DistributedConfig(device="cpu", timeout=float(os.environ.get("SILENCE", "60")))
    stops: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: stops.append(128 + number))
    signal.signal(signal.SIGUSR1, lambda *_: (folder / f"usr1-{world.rank}").touch())
    with join_process_group(world, distributed) as group, Watchdog(distributed.timeout, group.rank):
        (folder / f"joined-{group.rank}-{os.environ.get(ATTEMPT)}").write_text(str(torch.get_num_threads()))
        do(what[group.rank], group, stops)
        print(f"result of {group.rank}")
    if stops and WorkerReport(kind="left", exit_code=stops[0]).write():
        return 0
    return 0


def do(what, group, stops) -> None:
    if what.startswith("once-"):
        what = what.removeprefix("once-") if os.environ[ATTEMPT] == "0" else "train"
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "freeze":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif what == "data":
        raise DataError("train.en:3: no")
    elif what == "wait":
        while not any(group.all_gather_object(len(stops))):
            time.sleep(0.02)
    dist.all_reduce(torch.ones(1))


if __name__ == "__main__":
    try:
        code = main(Path(sys.argv[1]), sys.argv[2:])
    except Exception as error:  # noqa: BLE001
        code = report(error, verbose=False)
    sys.exit(code)
