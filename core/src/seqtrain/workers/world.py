"""
Which worker this process is, of a job that something else has started.

What is looked for, in this order; a job of one worker is none:

1. RANK and WORLD_SIZE, with MASTER_ADDR and MASTER_PORT: torchrun, a PyTorchJob of Kubernetes, our own agent and
   launchers. LOCAL_RANK and LOCAL_WORLD_SIZE may be missing together: one process on each host, as in a pod.
2. SLURM_STEP_NUM_TASKS, which srun sets for each of its tasks. The script of `sbatch` and the shell of `salloc` know
   the size of the whole job (SLURM_NTASKS), but are one process and no task of srun.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from seqtrain.errors import UsageError
from seqtrain.workers.report import AGENT, RENDEZVOUS_ID

PORTS = range(15000, 25000)
"""Where srun's tasks meet if MASTER_PORT does not say it: below the ports that systems give to outgoing connections."""

_FIRST_SPECIAL_STEP = 0xFFFFFFF0  # SLURM numbers batch scripts, interactive shells and the like from here
_BRACKETS = re.compile(r"\[(\d+)(?:-\d+)?(?:,\d+(?:-\d+)?)*\]")
_TASKS = re.compile(r"(\d+)(?:\(x(\d+)\))?")


@dataclass(frozen=True, kw_only=True)
class WorldInfo:
    """
    The place of a worker among the others.

    Args:
        rank: its number, of `world_size` workers on all hosts.
        local_rank: its number on its host, of `local_world_size` there.
        master_addr, master_port: where the workers meet; the main worker is there, or what started it.
        started_by: who, for messages.
        rendezvous_id: tells the workers' rendezvous from an earlier one, before they were restarted.
    """

    rank: int
    world_size: int
    local_rank: int
    local_world_size: int
    master_addr: str
    master_port: int
    started_by: str
    rendezvous_id: str = "first"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> WorldInfo | None:
        """
        Find out whether this process is one worker of several; None if it is not.

        Raises:
            UsageError: a variable that says so is missing or makes no sense.
        """
        given = _Variables(environ)
        if given.has("RANK") or given.has("WORLD_SIZE"):
            return _from_torch(given)
        if given.has("SLURM_STEP_NUM_TASKS"):
            return _from_srun(given)
        return None

    @property
    def several_hosts(self) -> bool:
        """Whether there are workers on other hosts."""
        return self.world_size > self.local_world_size


def first_host(nodes: str) -> str | None:
    """Return the first host of a list as SLURM writes it, such as `gpu[01-03,7],login`; None if it is none."""
    first = _BRACKETS.sub(r"\1", nodes.strip()).partition(",")[0]
    return first if re.fullmatch(r"[\w.-]+", first) else None


class _Variables:
    """The environment, with errors that name the variable; an empty one is as good as none."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.what = "a job of several workers"

    def has(self, name: str) -> bool:
        return bool(self._environ.get(name))

    def text(self, *names: str, expected: str) -> str:
        found = self.first(*names)
        if found is None:
            raise self.wrong(f"{names[0]} is not set", expected)
        return found

    def first(self, *names: str) -> str | None:
        """Return the first of some variables that is there."""
        return next((self._environ[name] for name in names if self.has(name)), None)

    def number(self, name: str, low: int, high: int) -> int:
        expected = f"a whole number from {low} to {high}"
        text = self.text(name, expected=expected)
        if not re.fullmatch(r"\d{1,9}", text) or not low <= int(text) <= high:
            raise self.wrong(f"{name}={text!r}", expected)
        return int(text)

    def wrong(self, found: str, expected: str) -> UsageError:
        return UsageError(
            f"The environment says that this is {self.what}, but {found}; expected {expected}. "
            "To train in this process alone, unset RANK and WORLD_SIZE (outside srun also the SLURM_STEP_* variables)."
        )


def _from_torch(given: _Variables) -> WorldInfo | None:
    world_size = given.number("WORLD_SIZE", 1, 10**6)
    if world_size == 1:
        return None
    given.what = f"one of {world_size} workers (WORLD_SIZE)"
    rank = given.number("RANK", 0, world_size - 1)
    local_rank, local_world_size = 0, 1
    if given.has("LOCAL_RANK") or given.has("LOCAL_WORLD_SIZE"):
        local_world_size = given.number("LOCAL_WORLD_SIZE", 1, world_size)
        local_rank = given.number("LOCAL_RANK", 0, local_world_size - 1)
    return WorldInfo(
        rank=rank,
        world_size=world_size,
        local_rank=local_rank,
        local_world_size=local_world_size,
        master_addr=given.text("MASTER_ADDR", expected="the host of the main worker"),
        master_port=given.number("MASTER_PORT", 1, 65535),
        started_by=_starter(given),
        rendezvous_id=given.first(RENDEZVOUS_ID, "TORCHELASTIC_RESTART_COUNT") or "first",
    )


def _starter(given: _Variables) -> str:
    if given.has(AGENT):
        return "seqtrain"
    if given.has("TORCHELASTIC_RUN_ID"):
        return "torchrun"
    return "Kubernetes" if given.has("KUBERNETES_SERVICE_HOST") else "a launcher"


def _from_srun(given: _Variables) -> WorldInfo | None:
    given.what = "a task of srun (SLURM_STEP_NUM_TASKS)"
    world_size = given.number("SLURM_STEP_NUM_TASKS", 1, 10**6)
    job, step = _id(given, "SLURM_JOB_ID"), _id(given, "SLURM_STEP_ID")
    if world_size == 1 or step >= _FIRST_SPECIAL_STEP:
        return None
    given.what = f"one of {world_size} tasks of srun (SLURM_STEP_NUM_TASKS)"
    local_world_size = _tasks_here(given)
    port = PORTS[(job * 101 + step) % len(PORTS)]  # neighbours in one of them differ
    return WorldInfo(
        rank=given.number("SLURM_PROCID", 0, world_size - 1),
        world_size=world_size,
        local_rank=given.number("SLURM_LOCALID", 0, local_world_size - 1),
        local_world_size=local_world_size,
        master_addr=given.text("MASTER_ADDR", expected="a host") if given.has("MASTER_ADDR") else _first_host(given),
        master_port=given.number("MASTER_PORT", 1, 65535) if given.has("MASTER_PORT") else port,
        started_by="srun",
    )


def _id(given: _Variables, name: str) -> int:
    text = given.text(name, expected="a number")
    if not text.isdecimal():
        raise given.wrong(f"{name}={text!r}", "a number")
    return int(text)


def _tasks_here(given: _Variables) -> int:
    """Read how many tasks this host has, from a list such as `2(x3),1` and this host's place in it."""
    names, expected = ("SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE"), "counts of tasks, such as 2(x3),1"
    text = given.text(*names, expected=expected)
    counts: list[int] = []
    for part in text.split(","):
        match = _TASKS.fullmatch(part)
        if match is None or len(part) > 20:
            raise given.wrong(f"{names[0]}={text!r}", expected)
        counts += [int(match[1])] * min(int(match[2] or 1), 10**6)
    return counts[given.number("SLURM_NODEID", 0, len(counts) - 1)]


def _first_host(given: _Variables) -> str:
    """Return the host of the first task; SLURM_LAUNCH_NODE_IPADDR is that of srun itself, which may be elsewhere."""
    names, expected = ("SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST"), "hosts, such as node[01-03,7]"
    text = given.text(*names, expected=expected)
    host = first_host(text)
    if host is None:
        raise given.wrong(f"{names[0]}={text!r}", expected)
    return host
