"""Find where the first NaN or infinity of a step came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqtrain.batch import Batch
from seqtrain.engine.engine import Engine


@dataclass(frozen=True)
class Origin:
    """
    Where numbers went wrong.

    Args:
        place: the first module whose output is not finite, or the parameters whose gradient is not, in words.
        ids: the examples of the micro-batch.
    """

    place: str
    ids: Sequence[int]


def find_origin(
    model: nn.Module, samples: Sequence[tuple[int, Batch]], run_again: Callable[[int, Batch], None]
) -> Origin | None:
    """
    Run the forward passes of a step again and see where they first go wrong; None if they do not.

    Args:
        model: the model; its modules are judged in the order in which they finish.
        samples: the step's micro-batches with their indices.
        run_again: runs one's forward pass with the random numbers that it had.
    """
    for index, sample in samples:
        with _watching(model) as found, torch.no_grad():
            run_again(index, sample)
        if found:
            return Origin(f"first in the output of module {found[0]}", sample.ids.tolist())
    return None


def gradient_origin(model: nn.Module, engine: Engine, ids: Sequence[int]) -> Origin:
    """Say which parameters' gradients, of those that this worker holds, went wrong in a step of these examples."""
    gradients = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
    bad = [name for name, gradient in gradients.items() if not _is_finite(engine.own_part(gradient))]
    return Origin(f"in the gradient of {', '.join(bad[:3])}" if bad else "only in the norm of the whole gradient", ids)


@contextmanager
def _watching(model: nn.Module) -> Iterator[list[str]]:
    """Collect the names of modules whose output is not finite."""
    found: list[str] = []

    def watch(name: str) -> Callable[[nn.Module, object, object], None]:
        def look(_module: nn.Module, _inputs: object, output: object) -> None:
            if not all(_is_finite(tensor) for tensor in _floats(output)):
                found.append(name)

        return look

    handles = [module.register_forward_hook(watch(name or "(the model)")) for name, module in model.named_modules()]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _is_finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def _floats(output: object) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, (tuple, list)):
        for part in output:
            yield from _floats(part)
    elif isinstance(output, dict):
        yield from _floats(tuple(output.values()))
