"""The optimizers that are torch's own, in their fused form where the device has one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from torch import nn, optim

from seqtrain_optim.full_parameters import is_sharded, step_whole
from seqtrain_optim.parameter_groups import can_fuse, decay_groups

if TYPE_CHECKING:
    from seqtrain_optim.optimizer_config import (
        AdadeltaConfig,
        AdafactorConfig,
        AdagradConfig,
        AdamaxConfig,
        AdamConfig,
        AdamWConfig,
        SGDConfig,
    )


def adam(config: AdamConfig, *, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """
    Make Adam, which adds `weight_decay * weight` to the gradient.

    Source:
        Kingma and Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1.
    """
    groups = decay_groups(parameters, config)
    return optim.Adam(groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=can_fuse(groups))


def adamw(config: AdamWConfig, *, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """
    Make AdamW, which takes `lr * weight_decay * weight` off each weight, whatever its gradient.

    Source:
        Loshchilov and Hutter, "Decoupled weight decay regularization" (2019), algorithm 2.
    """
    groups = decay_groups(parameters, config)
    return optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=can_fuse(groups))


def adamax(config: AdamaxConfig, *, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """
    Make Adamax, which divides by a decaying maximum of the gradient's size.

    Source:
        Kingma and Ba, "Adam: a method for stochastic optimization" (2015), algorithm 2.
    """
    return optim.Adamax(decay_groups(parameters, config), lr=config.lr, betas=config.betas, eps=config.eps)


def adafactor(config: AdafactorConfig, *, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """
    Make Adafactor without momentum.

    A step is min(lr, 1 / sqrt(update)) times the root mean square of the parameter: fairseq's `scale_parameter`, and
    its `relative_step` with `lr` as the upper limit.

    Source:
        Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost" (2018), algorithms 4 and 5.
    """
    return _Adafactor(
        decay_groups(parameters, config),
        lr=config.lr,
        beta2_decay=config.decay_rate,
        eps=(None, config.min_parameter_size),
        d=config.clip_threshold,
    )


class _Adafactor(optim.Adafactor):
    """torch's, for parameters of which workers hold parts as well; it needs sums over rows and columns."""

    def step(self, closure: Any = None) -> Any:
        """Make an update."""
        if not is_sharded(each for group in self.param_groups for each in group["params"]):
            return super().step(closure)  # type: ignore[no-untyped-call]  # torch has left it without
        assert closure is None, "no part of seqtrain passes one"
        return step_whole(self, super().step)


def adagrad(config: AdagradConfig, *, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """
    Make Adagrad.

    Source:
        Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning" (2011).
    """
    return optim.Adagrad(decay_groups(parameters, config), lr=config.lr, eps=config.eps)


def adadelta(config: AdadeltaConfig, *, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """
    Make Adadelta.

    Source:
        Zeiler, "ADADELTA: an adaptive learning rate method" (2012), algorithm 1.
    """
    return optim.Adadelta(decay_groups(parameters, config), lr=config.lr, rho=config.rho, eps=config.eps)


def sgd(config: SGDConfig, *, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """Make stochastic gradient descent, plain, with momentum or with Nesterov's."""
    groups = decay_groups(parameters, config)
    fused = can_fuse(groups, of_parts=False)
    return optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.nesterov, fused=fused)
