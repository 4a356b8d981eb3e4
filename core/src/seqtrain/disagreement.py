"""Say which parameter's gradient is not the same on all workers, and on which of them."""

from __future__ import annotations

import statistics

import torch
from torch import nn

from seqtrain.engine.engine import Engine

_EQUAL = 1e-6  # relative difference that adding up in another order may make


def describe_disagreement(model: nn.Module, engine: Engine) -> str:
    """
    Compare the gradients of all workers, of which the norms differ.

    All workers must call this together.
    """
    gradients = {name: engine.own_part(each.grad) for name, each in model.named_parameters() if each.grad is not None}
    norms = [float(torch.linalg.vector_norm(each)) for each in gradients.values()]
    for name, of_workers in zip(gradients, zip(*engine.group.gather_numbers(norms), strict=True), strict=True):
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
