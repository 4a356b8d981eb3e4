"""Say which batch was too large, and what to lower."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from seqtrain.batch import Batch
from seqtrain.errors import OutOfMemoryError

_OF_THE_CPU = "can't allocate memory"  # torch's allocator on the CPU raises a plain RuntimeError


@contextmanager
def explaining_out_of_memory(samples: Sequence[Batch]) -> Iterator[None]:
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
