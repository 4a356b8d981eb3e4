"""What went wrong in a step, in words: numbers not finite, gradients that differ, batches too large."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqtrain.batch import Batch
from seqtrain.engine.engine import Engine
from seqtrain.errors import BadStepError, LossSpikeError, NonFiniteError, OutOfMemoryError, TrainingError
from seqtrain.protocols import Criterion, Dataset
from seqtrain.training.step_check import EQUAL_NORMS, BadStep

_OF_THE_CPU = "can't allocate memory"  # torch's allocator on the CPU raises a plain RuntimeError


def diagnose(
    bad_step: BadStep, model: nn.Module, criterion: Criterion, engine: Engine, dataset: Dataset
) -> TrainingError:
    """
    Return the error that says what went wrong in a step, where, and with which examples; all workers call this.

    Args:
        bad_step: as it was judged.
        model: with the gradients of that step, unless the update was made already.
        criterion: computes a loss without the other workers.
        engine: where the step was computed.
        dataset: describes the examples.
    """
    if bad_step.problem == "mismatch":
        return TrainingError(f"{describe_gradient_mismatch(model, engine)} {_outcome(bad_step)}")
    if bad_step.problem == "spike":
        ids = list(dict.fromkeys(each for ids in engine.group.all_gather_object(_ids(bad_step)) for each in ids))
        error: BadStepError = LossSpikeError(
            f"{_step(bad_step)} has a loss of {bad_step.loss:.4g} a target, more than {bad_step.largest:g} standard "
            f"deviations ({bad_step.deviation:.4g}) above the mean of the steps before ({bad_step.mean:.4g}). "
            f"{_outcome(bad_step)} {_describe_examples(dataset, ids)} "
            "Try a lower optimizer.lr or a longer warm-up; trainer.loss_spike says what counts as a spike."
        )
    else:
        error = NonFiniteError(_describe_nonfinite(bad_step, model, criterion, engine, dataset))
    error.step = bad_step.numbers.step
    return error


def _describe_nonfinite(
    bad_step: BadStep, model: nn.Module, criterion: Criterion, engine: Engine, dataset: Dataset
) -> str:
    """Run the step's forward passes again to see where it went wrong, and put it into words."""
    numbers, origin = bad_step.numbers, None
    if not bad_step.was_applied:
        with engine.full_model(model) as full_model:

            def run_again(index: int, sample: Batch) -> None:
                engine.seed_micro_batch(numbers.step - 1, index)
                criterion(full_model, sample)

            origin = find_origin(full_model, engine.placed(numbers.samples), run_again)
        found = origin or gradient_origin(model, engine, _ids(bad_step))
    else:
        remedy = "trainer.on_bad_step=skip looks before the update, and says where"
        found = Origin(f"in the {bad_step.problem} ({remedy})", _ids(bad_step))
    losses = [float(loss) for loss in numbers.losses]
    told = engine.group.all_gather_object([origin is not None, found.place, list(found.ids), losses])
    worker = max(range(len(told)), key=lambda rank: told[rank][0])  # the first that has seen it happen
    _, place, ids, losses = told[worker]
    where = f"on worker {worker}, {place}" if len(told) > 1 else place
    return (
        f"{_step(bad_step)} gave numbers that are not finite, {where}: "
        f"losses {losses}, gradient norm {bad_step.grad_norm}. {_outcome(bad_step)} {_describe_examples(dataset, ids)} "
        "Try a lower optimizer.lr, a longer warm-up, a smaller trainer.clip_norm, or trainer.precision=fp32; "
        "trainer.on_bad_step=skip or rollback goes on without such a step."
    )


def _step(bad_step: BadStep) -> str:
    return f"Step {bad_step.numbers.step} (epoch {bad_step.numbers.epoch})"


def _outcome(bad_step: BadStep) -> str:
    if bad_step.was_applied:
        return "It was updated from, but saved nowhere: the same command resumes from the newest checkpoint."
    return "Nothing was updated."


def _describe_examples(dataset: Dataset, ids: Sequence[int]) -> str:
    examples = ", ".join(dataset.describe(example) for example in ids[:3])
    return f"Sample ids of the batch: {list(ids)} ({examples}, ...)."


def _ids(bad_step: BadStep) -> list[int]:
    return [example for sample in bad_step.numbers.samples for example in sample.ids.tolist()]


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
        if abs(of_workers[rank] - usual) > EQUAL_NORMS * abs(usual):
            return _told(f"the first that differs is {name}, on worker {rank}: norms {list(of_workers)} by worker")
    return _told("no single parameter's differs")


def _told(what: str) -> str:
    return (
        f"After adding up, the workers have different gradients; {what}. "
        "Something changes the gradient of one worker alone: a callback or an optimizer that treats workers unequally, "
        "another version of a library on one host, or faulty hardware. The same command resumes from the newest "
        "checkpoint."
    )


@contextmanager
def explain_out_of_memory(samples: Sequence[Batch]) -> Iterator[None]:
    """
    Turn the error of a full memory into one that names the batches.

    Raises:
        OutOfMemoryError: there was not enough memory. No update is half-made: this comes before any.
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
            f"There is not enough memory for a step of {len(samples)} micro-batch(es) of the shape(s) {shapes}: "
            f"{str(error) or type(error).__name__}. Nothing was updated. Lower data.max_tokens or data.max_sentences, "
            "and raise trainer.micro_batches_per_step by as much, so that the step stays as large; "
            "or choose a smaller model. The same command then resumes from the newest checkpoint."
        ) from error
