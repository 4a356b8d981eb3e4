"""
One worker of a few that save and load checkpoints together: `python checkpoint_workers.py WHAT FOLDER RANK WORLD_SIZE`.

What it asserts is what the tests in `test_checkpoint_workers.py` claim.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from seqtrain.checkpoint import checkpoint as checkpoint_module
from seqtrain.checkpoint.checkpointer import Checkpointer
from seqtrain.checkpoint.sharding import local_shards
from seqtrain.checkpoint.store import CheckpointStore
from seqtrain.config.schema import CheckpointConfig
from seqtrain.errors import CheckpointError, TrainingError
from seqtrain.metrics.best import Measure
from seqtrain.run.compare import differing, leaves
from seqtrain.training.progress import Progress
from seqtrain.workers.group import WorkerGroup
from seqtrain.workers.process_group import ProcessGroup


class Model(nn.Module):
    """Rows that do not divide evenly, fewer of them than workers, a tie, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.output = nn.Linear(3, 5, bias=False)
        self.output.weight = self.embed.weight
        self.scale = nn.Parameter(torch.ones(1))
        self.shift = nn.Parameter(torch.zeros(4, 3))
        self.register_buffer("counts", torch.arange(4))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return a loss."""
        return (self.output(self.embed(ids) + self.shift) * self.scale).logsumexp(-1).sum()


class Average:
    """State by the parameters' names, as a callback has it."""

    def __init__(self, model: nn.Module) -> None:
        self.average = {name: parameter.detach() * 2 for name, parameter in model.named_parameters()}

    def state_dict(self) -> dict[str, Any]:
        """Return the average and a number."""
        return {"average": self.average, "seen": 3}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it over."""
        self.average = state["average"]


class Run:
    """A model that is trained a little: what a `Checkpointer` saves the state of."""

    def __init__(self, group: WorkerGroup, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.model = Model()
        if group.world_size > 1:
            fully_shard(self.model, mesh=init_device_mesh("cpu", (group.world_size,)))
        self.inner = torch.optim.AdamW(self.model.parameters(), lr=0.1)
        self.average = Average(self.model)
        self.progress = Progress()

    @property
    def state(self) -> dict[str, Any]:
        """Return the parts."""
        return {
            "model": self.model,
            "optimizer": self.inner,
            "progress": self.progress,
            "callbacks.ema": self.average,
        }

    def save(self, checkpointer: Checkpointer) -> None:
        """Have the present state saved."""
        checkpointer.save(self.progress, self.state, {})

    def restore(self, checkpointer: Checkpointer) -> None:
        """Take over the newest state."""
        checkpoint = checkpointer.newest_good()
        assert checkpoint is not None
        with checkpointer.restoring(checkpoint):
            trained = self.inner.param_groups[0]["params"]
            state = checkpointer.load(checkpoint, self.model, self.state, trained)
            for name, part in self.state.items():
                part.load_state_dict(state[name])

    def step(self) -> None:
        """Make one update."""
        self.inner.zero_grad()
        self.model(torch.tensor([0, 2, 4, self.progress.step])).backward()
        self.inner.step()
        self.progress.step += 1

    def full_state(self) -> dict[str, Any]:
        """Return the state of a single process; all workers call it."""
        return {name: _whole(part.state_dict()) for name, part in self.state.items()}


def checkpointing(group: WorkerGroup, folder: Path, **config: Any) -> Checkpointer:
    """Return what saves into a folder."""
    return Checkpointer(CheckpointConfig(**config), folder, group, Measure("loss", higher_is_better=False))


def _whole(state: Any) -> Any:
    if isinstance(state, DTensor):
        return state.full_tensor()
    if isinstance(state, dict):
        return {key: _whole(each) for key, each in state.items()}
    return [_whole(each) for each in state] if isinstance(state, list) else state


def save(group: WorkerGroup, folder: Path) -> None:
    """Save while training goes on; leave beside it what a single process would have saved."""
    run = Run(group)
    saving = checkpointing(group, folder / f"by-{group.world_size}")
    for _ in range(3):
        run.step()
    expected = run.full_state()
    if group.is_main:
        CheckpointStore(folder / "whole").save(3, 1, expected, {})
    run.save(saving)
    run.step()  # in the same memory, and by collectives of its own
    assert saving.poll() is None  # not before all workers have agreed that it is written
    written = saving.wait(is_last=True)
    saving.close()
    assert written is not None
    assert "step-00000003" == written.name


def load(group: WorkerGroup, folder: Path) -> None:
    """Go on from each checkpoint there is: whoever wrote it, the state is the same, divided as this run is."""
    for name in ("whole", "by-2"):
        run = Run(group, seed=7)
        run.restore(checkpointing(group, folder / name))
        expected = CheckpointStore(folder / "whole").open("last")
        assert not differing(leaves({each: expected.load(each) for each in run.state}), leaves(run.full_state())), name
        moments = [each["exp_avg"] for each in run.inner.state.values()]
        for tensor in (*run.model.parameters(), *run.average.average.values(), *moments):
            assert isinstance(tensor, DTensor)
        share = local_shards({each: part.state_dict() for each, part in run.state.items()}, group)
        CheckpointStore(folder / f"{name}-by-{group.world_size}").save(3, 1, share, {}, group)
        run.step()


def go_on(group: WorkerGroup, folder: Path) -> None:
    """A run that went on from a checkpoint is bit for bit where it would have been."""
    straight, resumed = Run(group), Run(group, seed=7)
    for _ in range(3):
        straight.step()
    resumed.restore(checkpointing(group, folder / f"by-{group.world_size}"))
    for run in (straight, resumed):
        run.step()
        run.step()
    assert not differing(leaves(straight.full_state()), leaves(resumed.full_state()))


def fail(group: WorkerGroup, folder: Path) -> None:
    """The disk of the last worker is full: all say so, and what was saved before stays."""
    last, write = group.world_size - 1, checkpoint_module.write_tensors
    run, place = Run(group), folder / "failed"
    saving = checkpointing(group, place, when_unwritable="stop", retries=0)
    run.step()
    run.save(saving)
    saving.wait()
    run.step()

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if group.rank == last:
        checkpoint_module.write_tensors = refuse
    run.save(saving)
    assert "the disk is full" in complaint(saving.wait)
    if group.rank == last:
        checkpoint_module.write_tensors = write
    assert ["last", "step-00000001"] == sorted(each.name for each in place.glob("[!.r]*"))
    run.save(saving)  # the same step may be tried again, now that there is room
    saving.wait(is_last=True)
    assert CheckpointStore(place).open("last").step == 2
    run.step()
    if group.rank == last:
        del run.inner.state[run.model.embed.weight]["exp_avg"]  # by a fault of ours
    run.save(saving)
    assert "do not make a whole" in complaint(saving.wait)
    dist.barrier()
    assert not list(place.glob(".*"))


def die(group: WorkerGroup, folder: Path) -> None:
    """The last worker is killed while it writes; the first finds out, and the checkpoint before is whole."""
    run, place = Run(group), folder / "died"
    saving = checkpointing(group, place)
    run.step()
    run.save(saving)
    saving.wait()
    run.step()
    if group.rank == group.world_size - 1:
        checkpoint_module.write_tensors = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    run.save(saving)
    assert "connection to the other workers is lost" in complaint(saving.wait, TrainingError)
    assert CheckpointStore(place).newest_good().step == 1


def complaint(action: Callable[[], None], kind: type[Exception] = CheckpointError) -> str:
    """Return what an error says."""
    try:
        action()
    except kind as error:
        return str(error)
    raise AssertionError("nothing failed")


def main(what: str, folder: Path, rank: int, world_size: int) -> None:
    """Do some of the above, one after the other."""
    torch.set_num_threads(1)
    store = dist.FileStore(str(folder / f"store-{world_size}"), world_size)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world_size)
    group = ProcessGroup(store, local_rank=rank, local_world_size=world_size)
    for each in what.split(","):
        {"save": save, "load": load, "go_on": go_on, "fail": fail, "die": die}[each](group, folder)
    if "die" not in what:
        dist.barrier()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
