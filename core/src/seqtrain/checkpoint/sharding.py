"""
How the tensors of a run are divided among its workers, when a checkpoint is saved and when one is loaded.

FSDP gives each worker some rows of every parameter, and of all that an optimizer keeps of it. This module is imported
by runs of several workers alone, as it takes torch more than a second to import what it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from seqtrain.checkpoint.shards import Shard, StoredTensor, boundaries
from seqtrain.checkpoint.tensors import Keys, TensorReader, full_tensor
from seqtrain.errors import CheckpointError
from seqtrain.workers.group import WorkerGroup


def local_shards(state: Any, group: WorkerGroup) -> Any:
    """
    Return what a worker writes of a state: its shards of what is divided; the main worker also all that is not.

    In place of what others write there is None.

    Raises:
        CheckpointError: a tensor is divided in another way than FSDP's usual one.
    """
    if isinstance(state, DTensor):
        return _local_shard(state, group)
    if isinstance(state, Mapping):
        return {key: local_shards(each, group) for key, each in state.items()}
    if isinstance(state, (list, tuple)):
        return [local_shards(each, group) for each in state]
    return state if group.rank == 0 else None


def _local_shard(tensor: DTensor, group: WorkerGroup) -> Tensor | Shard | None:
    mine: Tensor = tensor.to_local().detach()
    if not all(placement.is_replicate() for placement in tensor.placements):
        begin, end = _rows(tensor)
        if tensor.device_mesh.size() != group.world_size:
            raise _unknown(tensor)
        if tensor.numel() == 0:
            mine = mine.new_empty(tensor.shape)
        elif end - begin < tensor.shape[0]:
            return Shard(mine, tuple(tensor.shape))
    return mine if group.rank == 0 else None


def sharded_like(model: nn.Module, trained: Sequence[Tensor]) -> TensorReader:
    """
    Return what loads a state as a run has it: divided like its model, or whole if that is not.

    An optimizer's tensors are divided like the parameter that they belong to, and any other part's like the one under
    whose name they are, if they have its shape. Of a tensor that is to be divided, only this worker's rows are read.

    Args:
        model: the model of the run.
        trained: its parameters, in the optimizer's order.
    """
    by_name = model.state_dict()

    def reader(keys: Keys, stored: StoredTensor) -> Tensor:
        if keys[:2] == ("optimizer", "state"):
            like = trained[keys[2]] if isinstance(keys[2], int) and keys[2] < len(trained) else None
        else:
            like = by_name.get(str(keys[-1]))
        if not isinstance(like, DTensor) or tuple(like.shape) != stored.shape:
            return full_tensor(keys, stored)
        rows = stored.rows(*_rows(like)).to(like.device)
        return DTensor.from_local(
            rows, like.device_mesh, like.placements, run_check=False, shape=like.shape, stride=like.stride()
        )

    return reader


def _rows(tensor: DTensor) -> tuple[int, int]:
    """Return which rows of a tensor this worker has: from the first to the last, which is excluded."""
    mesh = tensor.device_mesh
    if mesh.ndim != 1 or not tensor.placements[0].is_shard(0):
        raise _unknown(tensor)
    worker, bounds = mesh.get_local_rank(), boundaries(tensor.shape[0], mesh.size())
    begin, end = bounds[worker : worker + 2]
    if tensor.to_local().shape[0] != end - begin:
        raise _unknown(tensor)
    return begin, end


def _unknown(tensor: DTensor) -> CheckpointError:
    return CheckpointError(
        f"A tensor of shape {tuple(tensor.shape)} is divided as {tensor.placements} over {tensor.device_mesh}. "
        "Checkpoints hold tensors that are whole, or divided by rows over all workers, as distributed.engine=fsdp does."
    )
