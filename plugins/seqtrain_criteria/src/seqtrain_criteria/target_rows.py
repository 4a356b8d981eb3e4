"""Which positions of a batch have a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from seqtrain.api import Batch


def target_rows(sample: Batch, padding: int) -> Tensor:
    """
    Return where the real targets lie in the flattened batch, in order: (N,), N of them.

    Args:
        sample: its target is (B, T) ids, `padding` where there is none, or (B,) labels, all of them real.
        padding: the target id that is not a target.
    """
    if sample.target.dim() == 1:
        # Labels are all real: one of them may well have the number of the padding id.
        return torch.arange(len(sample.target), device=sample.target.device)
    # A stable sort brings them to the front. Unlike nonzero() it need not wait for the device to count them.
    is_padding = (sample.target.flatten() == padding).to(torch.uint8)
    return is_padding.argsort(stable=True)[: sample.num_targets]


def at_rows(output: Tensor, rows: Tensor) -> Tensor:
    """Return these rows, (N, V), of a model's output (B, T, V) or (B, V)."""
    return output.flatten(0, -2).index_select(0, rows)
