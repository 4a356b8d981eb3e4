"""The forward pass in another precision than the weights'."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqtrain.batch import Batch
from seqtrain.errors import ConfigError
from seqtrain.protocols import Criterion, LoggingOutput

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_NO_KERNEL = "could not create a primitive"  # what a CPU has no float16 for, such as LSTMs


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
