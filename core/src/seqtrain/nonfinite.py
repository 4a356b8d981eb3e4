"""Find where the first NaN or infinity of a step came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def first_nonfinite_module(model: nn.Module, run_forward: Callable[[], object]) -> str | None:
    """
    Run a forward pass and return the name of the first module whose output is not finite, None if all are.

    Args:
        model: the model; modules are judged in the order in which they finish.
        run_forward: runs the forward pass in question, with the same random numbers.
    """
    found: list[str] = []
    with _watching(model, found), torch.no_grad():
        run_forward()
    return found[0] if found else None


def nonfinite_gradients(model: nn.Module) -> list[str]:
    """Return the names of the parameters whose gradient is not finite."""
    return [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all())
    ]


@contextmanager
def _watching(model: nn.Module, found: list[str]) -> Iterator[None]:
    def watch(name: str) -> Callable[[nn.Module, object, object], None]:
        def look(_module: nn.Module, _inputs: object, output: object) -> None:
            if any(not bool(torch.isfinite(tensor).all()) for tensor in _floats(output)):
                found.append(name)

        return look

    handles = [module.register_forward_hook(watch(name or "(the model)")) for name, module in model.named_modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _floats(output: object) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, (tuple, list)):
        for part in output:
            yield from _floats(part)
    elif isinstance(output, dict):
        yield from _floats(tuple(output.values()))
