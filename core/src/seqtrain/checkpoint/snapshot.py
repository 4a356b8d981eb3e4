"""A copy of the state that stays as it is while training goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from seqtrain.checkpoint.shards import Shard
from seqtrain.checkpoint.tensors import place_in_memory


class Snapshot:
    """
    Copies states to the CPU; the memory of one copy is used again by the next.

    Fresh memory costs far more than the copying: the system has to find and clear every page of it. So there is one
    copy of the state for the whole run, and a state that was taken must be written before the next one is.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], Tensor] = {}

    def take(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return a state equal to `state` that shares no memory with it; tensors tied in one are tied in the other.

        Valid until the next call.
        """
        copies: dict[tuple[object, ...], Tensor] = {}
        copied = {name: self._copy(value, (name,), copies) for name, value in state.items()}
        in_use = {id(tensor) for tensor in copies.values()}
        self._kept = {path: tensor for path, tensor in self._kept.items() if id(tensor) in in_use}
        return copied

    def _copy(self, value: Any, path: tuple[str, ...], copies: dict[tuple[object, ...], Tensor]) -> Any:
        if isinstance(value, Tensor):
            return self._copy_of_tensor(value, path, copies)
        if isinstance(value, Shard):
            return replace(value, rows=self._copy_of_tensor(value.rows, path, copies))
        if isinstance(value, Mapping):
            return {key: self._copy(each, (*path, str(key)), copies) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._copy(each, (*path, str(index)), copies) for index, each in enumerate(value)]
        return value

    def _copy_of_tensor(
        self, tensor: Tensor, path: tuple[str, ...], copies: dict[tuple[object, ...], Tensor]
    ) -> Tensor:
        if tensor.layout != torch.strided:
            return tensor  # saving will refuse it, and say where it is
        memory = place_in_memory(tensor)
        if memory not in copies:
            kept = self._kept.get(path)
            if kept is None or kept.shape != tensor.shape or kept.dtype != tensor.dtype:
                kept = self._kept[path] = torch.empty(tensor.shape, dtype=tensor.dtype)
            copies[memory] = kept.copy_(tensor.detach())
        return copies[memory]
