"""Settings of the launcher; imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from seqtrain.plugin import option

_OPTION_NAME = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True, kw_only=True)
class SubmititConfig:
    """What a job asks SLURM for. Workers of a host and hosts are `distributed.workers` and `distributed.nodes`."""

    executor: str = option("slurm", help="where workers run: a SLURM job, or this machine", choices=("slurm", "local"))
    folder: str = option("submitit", help="folder for job files and logs, which all hosts must see", is_path=True)
    partition: str | None = option(None, help="SLURM partition; default: the cluster's")
    account: str | None = option(None, help="SLURM account that pays; default: the user's")
    minutes: int = option(60, help="time limit of the SLURM job", unit="minutes", ge=1)
    save_seconds: int = option(
        120, help="how long before its time limit the job is told to save and end", unit="seconds", ge=1
    )
    requeues: int = option(
        100, help="how often a job whose time is up goes back into the queue, to continue there", ge=0
    )
    gpus_per_node: int = option(0, help="GPUs of each host; with executor=local, those that workers see", ge=0)
    cpus_per_task: int | None = option(None, help="CPU cores of each worker; default: the cluster's", ge=1)
    memory_gb: float | None = option(None, help="memory of each host; default: the cluster's", unit="gigabytes", gt=0)
    extra: dict[str, str] = option(
        default_factory=dict, help="other options of sbatch by their long names, as in {constraint: a100, qos: high}"
    )
    stop_seconds: int = option(
        300, help="how long workers have to save and end when they are asked to stop", unit="seconds", ge=1
    )

    def __post_init__(self) -> None:
        if self.save_seconds >= self.minutes * 60:
            raise ValueError(f"save_seconds: expected less than the {self.minutes} minutes, got {self.save_seconds}")
        for name in self.extra:
            if not _OPTION_NAME.fullmatch(name):
                raise ValueError(f"extra: expected long options of sbatch such as qos, got {name!r}")
        for name, value in self._texts():
            if not value.isprintable():  # a second line would be a command of the job file
                raise ValueError(f"{name}: expected one line of plain text, got {value!r}")

    def _texts(self) -> Iterator[tuple[str, str]]:
        yield "folder", self.folder
        yield "partition", self.partition or ""
        yield "account", self.account or ""
        yield from ((f"extra.{name}", value) for name, value in self.extra.items())
