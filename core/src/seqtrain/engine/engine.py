"""
Where the run computes: device, ranks, precision and random numbers.

This is the engine of a single process. One for several workers differs in `rank`, `world_size`,
`reduce_gradients` and `share`; nothing outside this package would notice.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from seqtrain.batch import Batch
from seqtrain.config.schema import DistributedConfig
from seqtrain.engine.allocator import keep_freed_memory
from seqtrain.engine.precision import in_precision
from seqtrain.errors import ConfigError
from seqtrain.protocols import Criterion


class Engine:
    """
    A single process on one device.

    Args:
        config: which device.
        precision: "fp32", or "bf16" for a forward pass in bfloat16 over weights in fp32.
        seed: seed of the initial weights and of everything random in a step.

    Raises:
        ConfigError: the device is not there.
    """

    rank = 0
    world_size = 1

    def __init__(self, config: DistributedConfig, *, precision: str = "fp32", seed: int = 1) -> None:
        self.device = _device(config.device)
        self._precision = precision
        self._seed = seed
        if self.device.type == "cpu":
            keep_freed_memory()

    @property
    def is_main(self) -> bool:
        """Whether this worker writes files and messages."""
        return self.rank == 0

    def place(self, model: nn.Module) -> nn.Module:
        """Return the model on the device, ready to be trained."""
        return model.to(self.device)

    def in_precision(self, criterion: Criterion) -> Criterion:
        """Return the criterion with its forward pass in the run's precision."""
        return in_precision(criterion, self._precision, self.device)

    def seed_initialisation(self) -> None:
        """Seed the random numbers that initial weights are drawn from."""
        torch.manual_seed(_mix(self._seed, 0, 0))

    def seed_micro_batch(self, step: int, index: int) -> None:
        """
        Seed what is random in a micro-batch: a function of (seed, step, its index in the step) alone.

        So nothing random needs saving, and dropout is the same however many workers share a step.
        """
        torch.manual_seed(_mix(self._seed, step + 1, index))

    def share(self, micro_batches: Sequence[Batch]) -> list[tuple[int, Batch]]:
        """Return this worker's micro-batches of a step, each with its index in the step, on the device."""
        return [(index, sample.to(self.device)) for index, sample in enumerate(micro_batches)]

    def reduce_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """
        Sum gradients over the workers; a single one has nothing to add.

        A parameter that no micro-batch used has a gradient of zero afterwards, as its share of the loss does not depend
        on it, and not none. Optimizers pass over parameters without one: moments and weight decay would stand still, or
        not, depending on which micro-batches of a step a worker has.
        """
        for parameter in parameters:
            if parameter.grad is None and parameter.requires_grad:  # what a callback has frozen is passed over
                parameter.grad = torch.zeros_like(parameter)


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("distributed.device=cuda: torch finds no GPU here. Use distributed.device=cpu or auto.")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _mix(seed: int, step: int, index: int) -> int:
    """
    Return a seed for a (seed, step, index), far from those of its neighbours.

    Source:
        The finaliser of SplitMix64: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators",
        figure 14.
    """
    mixed = (seed * 0x9E3779B97F4A7C15 + step * 0xD1342543DE82EF95 + index * 0xA0761D6478BD642F) & _64_BITS
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _64_BITS
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _64_BITS
    return mixed ^ (mixed >> 31)


_64_BITS = (1 << 64) - 1
