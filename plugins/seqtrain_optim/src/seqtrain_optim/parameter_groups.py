"""Which parameters an optimizer treats alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from seqtrain_optim.full_parameters import is_sharded

if TYPE_CHECKING:
    from torch import nn

    from seqtrain_optim.optimizer_config import OptimizerConfig

_FUSED_DEVICES = {"cpu", "cuda"}


def decay_groups(parameters: Iterable[nn.Parameter], config: OptimizerConfig) -> list[dict[str, Any]]:
    """
    Put apart what weight decay leaves alone: norms and biases, unless `decay_norms_and_biases` says otherwise.

    They are told by their one dimension; weights of linear layers, embeddings and convolutions have more.
    """
    trained = list(parameters)
    if config.decay_norms_and_biases:
        return [{"params": trained, "weight_decay": config.weight_decay}]
    groups = [
        {"params": [each for each in trained if each.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [each for each in trained if each.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def can_fuse(groups: Iterable[dict[str, Any]], *, of_parts: bool = True) -> bool:
    """Say whether torch has kernels that update all of these at once; `of_parts`: sharded ones as well."""
    parameters = [each for group in groups for each in group["params"]]
    if not of_parts and is_sharded(parameters):
        return False
    return all(each.device.type in _FUSED_DEVICES and each.is_floating_point() for each in parameters)
