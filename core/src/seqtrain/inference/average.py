"""The mean of several checkpoints' weights, often better than any one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from seqtrain.checkpoint.checkpoint import Checkpoint
from seqtrain.checkpoint.checkpointer import check_match
from seqtrain.errors import CheckpointError


def load_model(checkpoint: Checkpoint) -> Mapping[str, Tensor]:
    """Return the trained weights of a checkpoint."""
    weights: Mapping[str, Tensor] = checkpoint.load("model")
    return weights


def average(
    checkpoints: Sequence[Checkpoint], load: Callable[[Checkpoint], Mapping[str, Tensor]] = load_model
) -> dict[str, Tensor]:
    """
    Return the mean of the model weights, added up in float64 and rounded once to their own type.

    One checkpoint is read at a time. What is not floating point (a counter in a buffer) is that of the last one.
    Weights that are tied in the last one stay tied.

    Args:
        checkpoints: what to average.
        load: returns a checkpoint's weights; those of a run with weight averaging may come from elsewhere.

    Raises:
        CheckpointError: there is none, or they are not of the same model.
    """
    if not checkpoints:
        raise CheckpointError("There is no checkpoint to average.")
    first, *others = (each.shapes() for each in checkpoints)  # before any of them is read
    for checkpoint, shapes in zip(checkpoints[1:], others, strict=True):
        check_match(first, shapes, str(checkpoint.path))
    sums: dict[str, Tensor] = {}
    weights: Mapping[str, Tensor] = {}
    for checkpoint in checkpoints:
        weights = load(checkpoint)
        if sums:
            check_match(_shapes(sums), _shapes(weights), str(checkpoint.path))
        for name, weight in weights.items():
            total = weight.to(torch.float64, copy=True) if weight.is_floating_point() else weight
            sums[name] = sums[name].add_(total) if name in sums and weight.is_floating_point() else total
    return _means(sums, weights, len(checkpoints))


def _means(sums: Mapping[str, Tensor], weights: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    """Divide the sums and give them the types, and the ties, of `weights`."""
    done: dict[int, Tensor] = {}  # by the identity of the weight: a tied weight is one tensor under several names
    for name, weight in weights.items():
        if id(weight) not in done:
            done[id(weight)] = (sums[name] / count).to(weight.dtype) if weight.is_floating_point() else weight
    return {name: done[id(weight)] for name, weight in weights.items()}


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in weights.items()}
