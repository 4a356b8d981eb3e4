"""
The blocks of a model: its layers, which are kept in lists.

They are what activations are computed again for (`activations.py`) and what FSDP makes whole one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from torch import nn

from seqtrain.errors import ConfigError


def blocks(model: nn.Module) -> list[nn.Module]:
    """
    Return the children of the model's `nn.ModuleList`s, each once, in the order in which they were made.

    Of lists within lists the outer one's children are blocks. Those without parameters are left out, and so are the
    clusters of an adaptive softmax: which of them are used is a matter of the words in a batch.
    """
    return [each for each in dict.fromkeys(_blocks(model)) if any(True for _ in each.parameters())]


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    if isinstance(module, nn.AdaptiveLogSoftmaxWithLoss):
        return
    for child in module.children():
        if isinstance(module, nn.ModuleList) and not isinstance(child, nn.ModuleList):
            yield child
        else:
            yield from _blocks(child)


def replace_forward(block: nn.Module, forward: Callable[..., Any]) -> None:
    """
    Have a block's forward pass made by something else, whatever hooks it has.

    Args:
        block: the block.
        forward: something whose `copy.deepcopy` is for the copy of a block: made of its method, not of itself.
    """
    block.forward = forward


def blocks_in_order(model: nn.Module, run: Callable[[], object]) -> list[nn.Module]:
    """
    Return the blocks that a forward pass runs as one piece, in its order.

    Such a block is called once, and nothing in it is called from elsewhere: its weights are used between its beginning
    and its end only. Not so the cells of a recurrent network, or layers that share their keys with others.

    Args:
        model: all parameters whole.
        run: makes a forward pass, or several of which the last tells.
    """
    found = blocks(model)
    owner = {part: block for block in found for part in block.modules() if part is block or _has_weights(part)}
    called: list[nn.Module] = []
    running: list[nn.Module] = []
    split: set[nn.Module] = set()

    def begin(module: nn.Module, _inputs: object) -> None:
        block = owner[module]
        if module is block:
            called.append(block)
            running.append(block)
        elif block not in running:
            split.add(block)

    def end(module: nn.Module, _inputs: object, _output: object) -> None:
        if module is owner[module]:
            running.remove(module)

    handles = [
        each for part in owner for each in (part.register_forward_pre_hook(begin), part.register_forward_hook(end))
    ]
    handles.append(model.register_forward_pre_hook(lambda *_: called.clear()))  # it may be run more than once
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return [each for each in called if called.count(each) == 1 and each not in split]


def _has_weights(module: nn.Module) -> bool:
    return any(True for _ in module.parameters(recurse=False))


class BlockOrder:
    """
    Refuses a forward pass that leaves out a block, or runs them in another order than the first one did.

    Workers that hold parts of the blocks must all come to the same one: parts of unlike blocks may be of equal size,
    and torch would put them together. Made after `fully_shard`, so that this is noticed before a worker asks for parts.

    Args:
        root: its forward pass is a training step's.
        ordered: the blocks, in their order.
    """

    def __init__(self, root: nn.Module, ordered: Sequence[nn.Module]) -> None:
        self._ordered = list(ordered)
        self._run = 0
        root.register_forward_pre_hook(self._begin, prepend=True)
        root.register_forward_hook(self._end)
        for each in ordered:
            each.register_forward_pre_hook(self._enter, prepend=True)

    def _begin(self, _root: nn.Module, _inputs: object) -> None:
        self._run = 0

    def _enter(self, block: nn.Module, _inputs: object) -> None:
        if block is not self._ordered[self._run % len(self._ordered)]:
            self._refuse()
        self._run += 1

    def _end(self, _root: nn.Module, _inputs: object, _output: object) -> None:
        if self._ordered and self._run % len(self._ordered):
            self._refuse()

    def _refuse(self) -> NoReturn:
        number = self._run % len(self._ordered)
        layer = f"layer {number + 1} of {len(self._ordered)} ({type(self._ordered[number]).__name__})"
        raise ConfigError(
            f"A training step left out {layer}. "
            "With distributed.engine=fsdp every worker must run all layers: set what drops whole layers to 0 "
            "(model.layer_drop), or use distributed.engine=ddp."
        )
