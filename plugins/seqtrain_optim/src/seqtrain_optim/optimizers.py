"""The optimizers `adam`, `adamw` and `sgd`: torch's own, in their fused form where the device has one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from torch import nn, optim

if TYPE_CHECKING:
    from seqtrain_optim.config import AdamConfig, AdamWConfig, SGDConfig

_FUSED_DEVICES = {"cpu", "cuda"}


def adam(config: AdamConfig, *, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """
    Make Adam, which adds `weight_decay * weight` to the gradient.

    Source:
        Kingma and Ba, "Adam: a method for stochastic optimization" (2015).
    """
    return _adam(optim.Adam, config, list(parameters))


def adamw(config: AdamWConfig, *, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """
    Make AdamW, which takes `lr * weight_decay * weight` off each weight, whatever its gradient.

    Source:
        Loshchilov and Hutter, "Decoupled weight decay regularization" (2019).
    """
    return _adam(optim.AdamW, config, list(parameters))


def sgd(config: SGDConfig, *, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """Make stochastic gradient descent, plain, with momentum or with Nesterov's."""
    trained = list(parameters)
    return optim.SGD(
        trained,
        lr=config.lr,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
        fused=_can_fuse(trained),
    )


def _adam(variant: type[optim.Adam], config: AdamConfig, parameters: list[nn.Parameter]) -> optim.Optimizer:
    """Make one of torch's two; AdamW is a subclass of Adam there."""
    return variant(
        parameters,
        lr=config.lr,
        betas=config.betas,
        eps=config.eps,
        weight_decay=config.weight_decay,
        fused=_can_fuse(parameters),
    )


def _can_fuse(parameters: list[nn.Parameter]) -> bool:
    """Say whether torch has kernels that update all of these at once."""
    return all(each.device.type in _FUSED_DEVICES and each.is_floating_point() for each in parameters)
