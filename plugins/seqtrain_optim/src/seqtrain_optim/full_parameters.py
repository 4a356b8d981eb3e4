"""Updates that must see a parameter whole, where FSDP has each worker hold a part of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn, optim


@runtime_checkable
class Sharded(Protocol):
    """A tensor of which each worker has a part: torch's `DTensor`, which takes a second to import."""

    device_mesh: Any
    placements: Any

    def full_tensor(self) -> Tensor:
        """Put the parts of all workers together; all must call it."""


def is_sharded(parameters: Iterable[Tensor]) -> bool:
    """Say whether each worker has a part of these."""
    return any(isinstance(each, Sharded) for each in parameters)


@torch.no_grad()
def step_whole(optimizer: optim.Optimizer, step: Callable[[], Any]) -> None:
    """
    Have an optimizer update parameters one after the other, each put together first and cut into its parts again.

    All workers make the same update. What the optimizer remembers of a parameter is cut as well if it has its shape.

    Args:
        optimizer: whose parameters are sharded.
        step: its update, of the parameters and with the state that it has when this is called.
    """
    groups, state = optimizer.param_groups, optimizer.state
    try:
        for group in groups:
            for part in group["params"]:
                if part.grad is not None:
                    whole = nn.Parameter(_whole(part))
                    whole.grad = _whole(part.grad)
                    remembered = {name: _whole(value) for name, value in state[part].items()}
                    optimizer.param_groups = [{**group, "params": [whole]}]
                    optimizer.state = defaultdict(dict, {whole: remembered})
                    step()
                    part.copy_(_part(whole, part))
                    state[part] = {name: _part(value, part) for name, value in optimizer.state[whole].items()}
    finally:
        optimizer.param_groups, optimizer.state = groups, state


def _whole(value: Any) -> Any:
    return value.full_tensor() if isinstance(value, Sharded) else value


def _part(value: Any, like: Any) -> Any:
    """Return this worker's part of a whole tensor, if it is as large as the one that is cut as it shall be."""
    from torch.distributed.tensor import distribute_tensor  # noqa: PLC0415 - takes a second, where all is whole

    if not isinstance(value, Tensor) or value.shape != like.shape:
        return value
    return distribute_tensor(value.detach(), like.device_mesh, like.placements, src_data_rank=None)
