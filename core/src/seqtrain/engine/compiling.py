"""Let torch write kernels for the blocks of a model, and compile them."""

from __future__ import annotations

import copy
import functools
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from seqtrain.engine.blocks import blocks, replace_forward
from seqtrain.errors import ConfigError


def compile_model(model: nn.Module, environ: Mapping[str, str] = os.environ) -> None:
    """
    Have the blocks of a model compiled when training first runs them, for batches of any size.

    Blocks of one class are compiled once, which a whole model would not be. Validation and decoding, which need no
    gradient, are as ever, and so is a copy of the model. Modules and parameters keep their names. Call it before
    activations are checkpointed or the blocks are cut into parts.

    Args:
        model: on its device.
        environ: CXX names the compiler.

    Raises:
        ConfigError: there is no compiler, or the model has no blocks.
    """
    compiler = environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")  # what torch takes
    if shutil.which(compiler, path=environ.get("PATH")) is None:
        raise ConfigError(
            f"trainer.compile=true: torch needs a C++ compiler, and there is no {compiler} here. Install one "
            "(Debian: apt install g++), name it in CXX, or leave trainer.compile out."
        )
    found = blocks(model)
    if not found:
        raise ConfigError(
            "trainer.compile=true works on the layers that a model keeps in nn.ModuleLists, and "
            f"{type(model).__name__} has none. Leave it out."
        )
    for block in found:
        replace_forward(block, _Compiled(block.forward))


class _Compiled:
    """A forward pass that is compiled where it needs a gradient."""

    def __init__(self, forward: Callable[..., Any]) -> None:
        self._forward = forward
        self._compiled = torch.compile(forward, dynamic=True)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return (self._compiled if torch.is_grad_enabled() else self._forward)(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[..., Any]:
        """Return the method of the copy, as what was compiled has the weights of this model."""
        return copy.deepcopy(self._forward, memo)


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
