"""A model without memory: torch's meta device tells the shapes of its weights, and nothing is allocated for them."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from seqtrain.errors import CheckpointError, PluginError, SeqtrainError

_MOST_NAMES = 4  # of a weight, so that what has more of them than these has more weights
_SPARE = 1_000
_OVERFLOW = "overflow"  # what torch says of a size that does not fit into 64 bits


def shapes_of(build: Callable[[], nn.Module], num_expected: int) -> dict[str, torch.Size] | None:
    """
    Return the shapes of a model's weights by name, without memory for them.

    What is drawn at random meanwhile leaves no trace, so a model that is built afterwards has the same weights; what is
    logged meanwhile is not shown, as it will be said again.

    Args:
        build: builds the model on torch's default device.
        num_expected: weights that the model should have; building is given up at many times that.

    Returns:
        None where the model cannot be built without memory, as its code computes with numbers that are not there.

    Raises:
        CheckpointError: it has many more weights, or sizes that no memory has.
        SeqtrainError: as the model's own code raises it.
    """
    most, count = _MOST_NAMES * num_expected + _SPARE, 0

    def registered(_module: nn.Module, _name: str, _parameter: object) -> None:
        nonlocal count
        count += 1
        if count > most:
            raise CheckpointError(f"it would have more than {most:,} weights")

    hook = register_module_parameter_registration_hook(registered)
    before = logging.root.manager.disable
    logging.disable()
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            return {name: tensor.shape for name, tensor in build().state_dict().items()}
    except Exception as error:
        if isinstance(error, SeqtrainError) and not isinstance(error, PluginError):
            raise
        if _OVERFLOW in str(error):
            reason = error.__cause__ or error  # the plugin's own, if it is wrapped
            raise CheckpointError(f"it would have sizes that no memory has ({reason})") from error
        return None
    finally:
        logging.disable(before)
        hook.remove()
