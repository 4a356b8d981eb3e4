"""Less memory for more time: what a block computed is not kept for the backward pass, but computed again there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from seqtrain.engine.blocks import blocks, replace_forward
from seqtrain.errors import ConfigError


def checkpoint_activations(model: nn.Module) -> None:
    """
    Have each block keep nothing but its inputs for the backward pass; random numbers are drawn as they were before.

    Validation and decoding, which need no gradient, are as ever. Modules and parameters keep their names. Call it after
    the blocks are compiled, and before they are cut into parts.

    Raises:
        ConfigError: the model has no blocks.

    Source:
        Chen et al. 2016, arXiv:1604.06174, section 4.
    """
    found = blocks(model)
    if not found:
        raise ConfigError(
            "trainer.checkpoint_activations=true works on the layers that a model keeps in nn.ModuleLists, and "
            f"{type(model).__name__} has none. Leave it out."
        )
    for block in found:
        replace_forward(block, functools.partial(_compute_again, block.forward))


def _compute_again(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if torch.is_grad_enabled():
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)
    return forward(*args, **kwargs)
