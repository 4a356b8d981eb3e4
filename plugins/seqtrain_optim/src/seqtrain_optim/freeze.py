"""The callback `freeze`: parameters that keep the values they begin with."""

from __future__ import annotations

import logging
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from seqtrain.api import ConfigError
from seqtrain.plugin import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from seqtrain.api import Trainer
    from seqtrain_optim.freeze_config import FreezeConfig

logger = logging.getLogger(__name__)


class Freeze:
    """
    Take parameters out of training: they get no gradient, and the optimizer never sees them.

    A tied parameter has several names; a pattern may match any of them.
    """

    def __init__(self, config: FreezeConfig) -> None:
        self.config = config

    @hookimpl
    def seqtrain_model_built(self, model: nn.Module) -> None:
        """
        Freeze what the patterns match.

        Raises:
            ConfigError: a pattern matches nothing.
        """
        parameters = dict(model.named_parameters(remove_duplicate=False))
        for pattern in self.config.parameters:
            matching = [each for name, each in parameters.items() if fnmatchcase(name, pattern)]
            if not matching:
                raise ConfigError(
                    f"callbacks.freeze.parameters: {pattern!r} matches no parameter. {_suggestion(pattern, parameters)}"
                )
            for each in matching:
                each.requires_grad_(False)

    @hookimpl
    def seqtrain_run_start(self, trainer: Trainer) -> None:
        """Say how much is frozen."""
        sizes = [(each.requires_grad, each.numel()) for each in trainer.model.parameters()]
        frozen = [size for is_trained, size in sizes if not is_trained]
        logger.info(
            "Frozen: %s of %s parameters, %d of %d tensors",
            f"{sum(frozen):,}",
            f"{sum(size for _, size in sizes):,}",
            len(frozen),
            len(sizes),
        )


def _suggestion(pattern: str, names: Iterable[str]) -> str:
    """Suggest patterns near the one that was written, or name the parts of the model."""
    parts = [name.split(".") for name in names]
    patterns = {".".join([*part[:depth], "*"]): None for part in parts for depth in range(1, len(part))}
    near = get_close_matches(pattern, [*patterns, *map(".".join, parts)], n=3)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    tops = dict.fromkeys(part[0] if len(part) == 1 else f"{part[0]}.*" for part in parts)
    return f"The model has {', '.join(tops)}."
