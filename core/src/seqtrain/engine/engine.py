"""
Where the run computes: device, workers, precision and random numbers.

This is the engine of a single process. Those of several (`parallel.py`) differ in how the model is held and how
gradients are added up; nothing outside this package would notice.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from seqtrain.batch import Batch, Step
from seqtrain.config.schema import DistributedConfig
from seqtrain.engine.compiling import checkpoint_activations, compile_model
from seqtrain.errors import ConfigError
from seqtrain.protocols import Criterion, LoggingOutput
from seqtrain.workers.group import WorkerGroup

_64_BITS = (1 << 64) - 1
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # from glibc's malloc.h
_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_NO_KERNEL = "could not create a primitive"  # what a CPU has no float16 for, such as LSTMs


class Engine:
    """
    A single process on one device.

    Args:
        config: which device.
        group: the other workers; there are none.
        precision: "fp32", or "bf16" for a forward pass in bfloat16 over weights in fp32.
        seed: seed of the initial weights and of everything random in a step.
        compiled: have the layers of a model compiled for training.
        checkpointed: have them compute activations again in the backward pass instead of keeping them.

    Raises:
        ConfigError: the device is not there.
    """

    replicates_gradients = True
    """Every worker has the whole gradient, the same on all."""

    def __init__(
        self,
        config: DistributedConfig,
        group: WorkerGroup | None = None,
        *,
        precision: str = "fp32",
        seed: int = 1,
        compiled: bool = False,
        checkpointed: bool = False,
    ) -> None:
        self.group = group or WorkerGroup()
        self.device = _device(config.device, self.group)
        self._precision = precision
        self._seed = seed
        self._compiled, self._checkpointed = compiled, checkpointed
        if self.device.type == "cpu":
            keep_freed_memory()

    @property
    def is_synchronous(self) -> bool:
        """Whether a call returns once the device has computed, so that reading a number waits for nothing."""
        return self.device.type == "cpu"

    @property
    def gradient_scale(self) -> float:
        """What gradients are to be multiplied by to be sums over a step: torch returns the mean over the workers."""
        return float(self.group.world_size)

    def place(self, model: nn.Module) -> nn.Module:
        """Return the model on the device."""
        return model.to(self.device)

    def in_precision(self, criterion: Criterion) -> Criterion:
        """Return the criterion with its forward pass in the run's precision."""
        return in_precision(criterion, self._precision, self.device)

    def prepare(self, model: nn.Module, criterion: Criterion, check: Callable[[], object]) -> Criterion:
        """
        Get a model on the device ready to be trained: compiled, checkpointed and distributed, as was asked for.

        Args:
            model: the model; its parameters may be replaced by shards of them.
            criterion: what it is to be trained with.
            check: makes a forward pass, the same on all workers, from which the engine may learn how the model is used.

        Returns:
            The criterion to train that model with, by which gradients are added up over the workers.

        Raises:
            ConfigError: the model has no layers to compile or checkpoint, or there is no compiler.
        """
        check()
        if self._compiled:
            compile_model(model)
        if self._checkpointed:
            checkpoint_activations(model)
        return self._distribute(model, criterion, check)

    def _distribute(self, model: nn.Module, criterion: Criterion, check: Callable[[], object]) -> Criterion:
        return criterion

    def gather_norm_and_loss(self, grad_norm: Tensor, losses: Sequence[Tensor]) -> Tensor:
        """
        Return each worker's gradient norm and summed loss, (W, 2), on the device: one collective.

        Args:
            grad_norm: of this worker's gradient, ().
            losses: of its micro-batches, each (); none where it has only stand-ins.
        """
        loss = torch.stack([each.float() for each in losses]).sum() if losses else torch.zeros_like(grad_norm)
        return self.group.all_gather_tensor(torch.stack([grad_norm.float(), loss]))

    def total_norm(self, by_worker: Tensor) -> Tensor:
        """Return the norm of the whole gradient, (), from (W, 2) norms and losses of the workers."""
        return by_worker[self.group.rank, 0]

    @contextmanager
    def full_model(self, model: nn.Module) -> Iterator[nn.Module]:
        """Lend a model whose parameters are whole, with the present weights: for validation, without gradients."""
        yield model

    def to_local(self, tensor: Tensor) -> Tensor:
        """Return what this worker holds of a parameter, a gradient, or the like: by default all of it."""
        return tensor

    def seed_initialisation(self) -> None:
        """Seed the random numbers that initial weights are drawn from."""
        torch.manual_seed(_mix(self._seed, 0, 0))

    def seed_micro_batch(self, step: int, index: int) -> None:
        """
        Seed what is random in a micro-batch: a function of (seed, step, its index in the step) alone.

        So nothing random needs saving, and dropout is the same however many workers share a step.
        """
        torch.manual_seed(_mix(self._seed, step + 1, index))

    def accumulate(self, step: Step) -> Iterator[tuple[int, Batch, bool]]:
        """
        Yield this worker's micro-batches, on the device, whose gradients are to be added up.

        After the backward pass of the last they are added up over the workers as well, so all workers have equally
        many: a stand-in's gradient is to be ignored.

        Returns:
            Each one's index in the step, the batch, and whether to ignore its gradient.
        """
        for number, (index, sample) in enumerate(self.placed(step.samples)):
            self._synchronise(number == len(step.samples) - 1)
            yield index, sample, index >= step.size

    def placed(self, samples: Sequence[Batch]) -> list[tuple[int, Batch]]:
        """Return this worker's micro-batches of a step, each with its index in the step, on the device."""
        rank, world_size = self.group.rank, self.group.world_size
        return [(rank + number * world_size, sample.to(self.device)) for number, sample in enumerate(samples)]

    def fill_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """
        Give a parameter that no micro-batch used a gradient of zero, as its share of the loss does not depend on it.

        Optimizers pass over parameters without one: moments and weight decay would stand still, or not, depending on
        which micro-batches of a step a worker has.
        """
        for parameter in parameters:
            if parameter.grad is None and parameter.requires_grad:  # what a callback has frozen is passed over
                parameter.grad = torch.zeros_like(parameter)

    def _synchronise(self, is_last: bool) -> None:
        """Have the next backward pass add up gradients over the workers, if it is a step's last."""


class HostCopy:
    """
    Numbers on their way from the device to the host.

    On an accelerator they are copied to pinned memory, and an event says when that is done; this has not been run on
    one so far. On the CPU they are read where they are.

    Args:
        values: (..., N) on any device; a copy is started at once, and nothing waits for it.
    """

    def __init__(self, values: Tensor) -> None:
        self._values, self._copied = values, None
        if values.device.type != "cpu":
            self._values = torch.empty_like(values, device="cpu", pin_memory=True).copy_(values, non_blocking=True)
            self._copied = torch.Event(values.device.type)
            self._copied.record()

    def read(self) -> Any:
        """Return the numbers as nested lists; this waits if they have not arrived."""
        if self._copied is not None:
            self._copied.synchronize()
        return self._values.numpy().tolist()


def _device(name: str, group: WorkerGroup) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("distributed.device=cuda: torch finds no GPU here. Use distributed.device=cpu or auto.")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu" or group.world_size == 1:
        return torch.device(name)
    found = torch.cuda.device_count()
    if group.local_rank >= found:
        raise ConfigError(
            f"distributed.device={name}: there are {group.local_world_size} workers on this host, but torch finds "
            f"{found} GPU(s). Use --workers {found}, or distributed.device=cpu."
        )
    torch.cuda.set_device(group.local_rank)
    return torch.device("cuda", group.local_rank)


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


def keep_freed_memory() -> None:
    """
    Make glibc serve large blocks from its heap and keep them when they are freed.

    Otherwise every step returns its tensors to the kernel and faults them in again: a third of the time of a small
    model on two CPU cores. Peak memory may grow a little. Elsewhere than on glibc it does nothing.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, -1)
    mallopt(_M_TOP_PAD, 64 << 20)


def in_precision(criterion: Criterion, precision: str, device: torch.device) -> Criterion:
    """
    Return the criterion under autocast, or itself for fp32.

    Weights, gradients and the optimizer's state stay in fp32. bfloat16 has fp32's range; for float16, whose is smaller,
    the optimizer scales losses (`LossScale`).
    """
    if precision == "fp32":
        return criterion

    def cast(model: nn.Module, sample: Batch, /) -> tuple[Tensor, int, LoggingOutput]:
        with torch.autocast(device.type, _TYPES[precision]):
            try:
                return criterion(model, sample)
            except RuntimeError as error:
                if _NO_KERNEL not in str(error):
                    raise
                raise ConfigError(
                    f"trainer.precision={precision}: torch cannot compute this model in it on a {device.type}. "
                    "Use trainer.precision=bf16 or fp32."
                ) from error

    return cast
