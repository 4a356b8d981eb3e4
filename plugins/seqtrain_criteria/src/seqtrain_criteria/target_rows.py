"""Which positions of a batch have a target, and what the model says there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from seqtrain.api import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from seqtrain.api import Batch


def target_rows(sample: Batch, padding: int) -> Tensor:
    """
    Return where the real targets lie in the flattened batch, in order: (N,), N of them.

    Args:
        sample: its target is (B, T) ids, `padding` where there is none, or (B,) labels, all of them real.
        padding: the target id that is not a target.

    Raises:
        ConfigError: the targets are several labels for each example, or numbers.
    """
    if sample.target.is_floating_point():
        raise ConfigError(
            "The criterion is for one token or label at a place, and the task gives each example several labels or a "
            "number. Set criterion.name=sentence_prediction."
        )
    if sample.target.dim() == 1:
        # Labels are all real: one of them may well have the number of the padding id.
        return torch.arange(len(sample.target), device=sample.target.device)
    # A stable sort brings them to the front. Unlike nonzero() it need not wait for the device to count them.
    is_padding = (sample.target.flatten() == padding).to(torch.uint8)
    return is_padding.argsort(stable=True)[: sample.num_targets]


def at_rows(output: Tensor, rows: Tensor, target: Tensor) -> Tensor:
    """
    Return these rows, (N, V), of a model's output (B, T, V) or (B, V).

    Raises:
        ConfigError: the model does not give something for each target.
    """
    refuse_other_shape(output, target)
    return output.flatten(0, -2).index_select(0, rows)


def refuse_other_shape(output: Tensor, target: Tensor) -> None:
    """
    Check that the model gives something for each target, (B, T, V) for tokens (B, T) or (B, C) for labels (B,).

    Raises:
        ConfigError: it gives something else.
    """
    if output.shape[:-1] == target.shape:
        return
    what, expected = ("label", "(B, C)") if target.dim() == 1 else ("token", "(B, T, V)")
    raise ConfigError(
        f"The model gives {tuple(output.shape)} for targets {tuple(target.shape)}, but it should give {expected}: one "
        f"row of numbers for each {what}. Choose a model that is meant for this task; "
        "`seqtrain plugins list --kind model` shows what there is."
    )
