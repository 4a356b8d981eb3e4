"""Find where the first NaN or infinity of a step came from."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqtrain.batch import Batch
from seqtrain.engine.engine import Engine
from seqtrain.errors import OutOfMemoryError


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
    bad = [name for name, gradient in gradients.items() if not _is_finite(engine.to_local(gradient))]
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


_EQUAL = 1e-6  # relative difference that adding up in another order may make


def describe_gradient_mismatch(model: nn.Module, engine: Engine) -> str:
    """
    Compare the gradients of all workers, of which the norms differ.

    All workers must call this together.
    """
    gradients = {name: engine.to_local(each.grad) for name, each in model.named_parameters() if each.grad is not None}
    norms = [float(torch.linalg.vector_norm(each)) for each in gradients.values()]
    for name, of_workers in zip(gradients, zip(*engine.group.all_gather(norms), strict=True), strict=True):
        usual = statistics.median_low(of_workers)
        rank = max(range(len(of_workers)), key=lambda rank: abs(of_workers[rank] - usual))
        if abs(of_workers[rank] - usual) > _EQUAL * abs(usual):
            return _told(f"the first that differs is {name}, on worker {rank}: norms {list(of_workers)} by worker")
    return _told("no single parameter's differs")


def _told(what: str) -> str:
    return (
        f"After adding up, the workers have different gradients; {what}. Nothing was updated. "
        "Something changes the gradient of one worker alone: a callback or an optimizer that treats workers unequally, "
        "another version of a library on one host, or faulty hardware. The same command goes on from the newest "
        "checkpoint."
    )


_OF_THE_CPU = "can't allocate memory"  # torch's allocator on the CPU raises a plain RuntimeError


@contextmanager
def explain_out_of_memory(samples: Sequence[Batch]) -> Iterator[None]:
    """
    Turn the error of a full memory into one that names the batches.

    Raises:
        OutOfMemoryError: the memory did not suffice. No update is half-made: this comes before any.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        is_memory = isinstance(error, (MemoryError, torch.OutOfMemoryError)) or _OF_THE_CPU in str(error)
        if not is_memory:
            raise
        shapes = "; ".join(
            ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in sample.net_input.items())
            for sample in samples
        )
        raise OutOfMemoryError(
            f"The memory does not suffice for a step of {len(samples)} micro-batch(es) of the shape(s) {shapes}: "
            f"{str(error) or type(error).__name__}. Nothing was updated. Lower data.max_tokens or data.max_sentences, "
            "and raise trainer.micro_batches_per_step by as much, so that the step stays as large; "
            "or choose a smaller model. The same command then goes on from the newest checkpoint."
        ) from error
