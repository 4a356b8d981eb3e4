"""
The engines of several workers, on torch's own.

With DDP each worker holds the whole model; with FSDP2 each holds a part of every parameter, gradient and moment, and
sees a layer whole only while it computes with it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from seqtrain.batch import Batch
from seqtrain.engine.blocks import BlockOrder, blocks_in_order
from seqtrain.engine.engine import Engine
from seqtrain.protocols import Criterion, LoggingOutput


class DDPEngine(Engine):
    """Several processes, each with the whole model."""

    _wrapped: DistributedDataParallel

    def _distribute(self, model: nn.Module, criterion: Criterion, check: Callable[[], object]) -> Criterion:
        """Have the gradients of a model added up."""
        self._wrapped = DistributedDataParallel(
            _Loss(model, criterion),
            forward_sync_buffers=False,  # validation runs without the wrapper, and unevenly
            find_unused_parameters=True,  # a micro-batch need not use them all, and not the same ones everywhere
            gradient_as_bucket_view=True,
        )
        return _called(self._wrapped)

    def _synchronise(self, is_last: bool) -> None:
        self._wrapped.require_backward_grad_sync = is_last  # what its no_sync() sets


class FSDPEngine(Engine):
    """Several processes, each with a shard of every parameter."""

    replicates_gradients = False
    _sharded: FSDPModule
    _plain: nn.Module

    def _distribute(self, model: nn.Module, criterion: Criterion, check: Callable[[], object]) -> Criterion:
        """Shard the parameters of a model, of which this worker keeps one shard each."""
        self._plain = copy.deepcopy(model)
        _set_memory(self._plain, kept=False)
        mesh = init_device_mesh(self.device.type, (self.group.world_size,))
        ordered = blocks_in_order(model, check)
        for block in ordered:
            fully_shard(block, mesh=mesh)
        loss = _Loss(model, criterion)
        self._sharded = fully_shard(loss, mesh=mesh)
        BlockOrder(loss, ordered)
        self._sharded.set_reduce_scatter_unused_params(True)
        return _called(loss)

    @contextmanager
    def full_model(self, model: nn.Module) -> Iterator[nn.Module]:
        """
        Lend a copy of the model whose parameters are whole.

        Workers may use it unevenly, as decoding does, while the model itself calls for all workers at each layer.
        """
        _set_memory(self._plain, kept=True)
        ours = dict(model.state_dict(keep_vars=True))
        with torch.no_grad():
            for name, tensor in self._plain.state_dict(keep_vars=True).items():
                tensor.copy_(_whole(ours[name]))
        yield self._plain.train(model.training)
        _set_memory(self._plain, kept=False)

    def total_norm(self, by_worker: Tensor) -> Tensor:
        """Return the norm of the whole gradient, of which each worker has a part."""
        norm: Tensor = torch.linalg.vector_norm(by_worker[:, 0])
        return norm

    def to_local(self, tensor: Tensor) -> Tensor:
        """Return this worker's shard of a tensor."""
        return tensor.to_local() if isinstance(tensor, DTensor) else tensor

    def _synchronise(self, is_last: bool) -> None:
        self._sharded.set_requires_gradient_sync(is_last)


class _Loss(nn.Module):
    """
    A model and its criterion as one module.

    Whatever a criterion calls of the model, and reads of its weights, is then within a forward pass, where torch does
    its part.
    """

    def __init__(self, model: nn.Module, criterion: Criterion) -> None:
        super().__init__()
        self.model = model
        self._criterion = [criterion]  # in a list: its parameters, if any, are not the model's

    def forward(self, sample: Batch) -> tuple[Tensor, int, LoggingOutput]:
        return self._criterion[0](self.model, sample)


def _called(wrapped: nn.Module) -> Criterion:
    def criterion(_model: nn.Module, sample: Batch, /) -> tuple[Tensor, int, LoggingOutput]:
        result: Any = wrapped(sample)
        return result  # type: ignore[no-any-return]

    return criterion


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _set_memory(model: nn.Module, *, kept: bool) -> None:
    """Give the parameters of a model memory, or take it from them; tied ones stay tied."""
    for parameter in model.parameters():
        parameter.untyped_storage().resize_(parameter.numel() * parameter.element_size() if kept else 0)
