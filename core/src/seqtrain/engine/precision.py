"""The forward pass in another precision than the weights'."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqtrain.batch import Batch
from seqtrain.protocols import Criterion, LoggingOutput


def in_precision(criterion: Criterion, precision: str, device: torch.device) -> Criterion:
    """
    Return the criterion under autocast, or itself for fp32.

    Weights, gradients and the optimizer's state stay in fp32; bfloat16 has fp32's range, so no loss scaling is needed.
    """
    if precision == "fp32":
        return criterion

    def cast(model: nn.Module, sample: Batch, /) -> tuple[Tensor, int, LoggingOutput]:
        with torch.autocast(device.type, torch.bfloat16):
            return criterion(model, sample)

    return cast
