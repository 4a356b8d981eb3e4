"""The callback `ema`: an exponential moving average of the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from seqtrain.api import CheckpointError
from seqtrain.plugin import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from seqtrain.api import Trainer
    from seqtrain_optim.ema_config import EMAConfig


class EMA:
    """
    Keep an average of the weights: average = d * average + (1 - d) * weights after every step.

    d is `decay`; with `warmup`, min(decay, (1 + n) / (10 + n)) in the n-th step since `start_step`, so that the first
    weights don't linger. Buffers are not averaged.

    Source:
        The warm-up of the decay is that of TensorFlow's `ExponentialMovingAverage`.
    """

    def __init__(self, config: EMAConfig) -> None:
        self.config = config
        self._average: dict[str, Tensor] = {}
        self._trained: list[Tensor] = []  # copies of the weights while the average is in their place

    def weights(self) -> Mapping[str, Tensor]:
        """Return the averages by the parameters' names; none where validation uses the trained weights."""
        return self._average if self.config.use_for_validation else {}

    @hookimpl
    def seqtrain_run_start(self, trainer: Trainer) -> None:
        """
        Start from the weights, or take up an average that was loaded.

        Raises:
            CheckpointError: the loaded average is of another model.
        """
        parameters = _float_parameters(trainer.model)
        loaded = self._average or {name: parameter.detach() for name, parameter in parameters.items()}
        differing = sorted(loaded.keys() ^ parameters.keys())
        if differing:
            raise CheckpointError(
                f"callbacks.ema: the saved average and the model differ in {', '.join(differing)}; "
                "go on with the model it was saved from, or start afresh in another --run-dir"
            )
        self._average = {name: loaded[name].to(parameter, copy=True) for name, parameter in parameters.items()}

    @hookimpl
    @torch.no_grad()
    def seqtrain_step_end(self, trainer: Trainer) -> None:
        """Move the average towards the new weights."""
        weights: list[Tensor] = list(_float_parameters(trainer.model).values())
        torch._foreach_lerp_(list(self._average.values()), weights, 1 - self._decay(trainer.progress.step))

    @hookimpl
    @torch.no_grad()
    def seqtrain_validation_start(self, trainer: Trainer) -> None:
        """Put the average in the weights' place."""
        if self.config.use_for_validation:
            parameters = _float_parameters(trainer.model)
            self._trained = [parameter.clone() for parameter in parameters.values()]
            for name, parameter in parameters.items():
                parameter.copy_(self._average[name])

    @hookimpl
    @torch.no_grad()
    def seqtrain_validation_end(self, trainer: Trainer, measures: Mapping[str, float]) -> None:
        """Put the trained weights back, bit for bit."""
        if self.config.use_for_validation:
            for parameter, trained in zip(_float_parameters(trainer.model).values(), self._trained, strict=True):
                parameter.copy_(trained)
            self._trained = []

    def _decay(self, step: int) -> float:
        since_start = step - self.config.start_step
        if since_start <= 0:
            return 0.0
        if not self.config.warmup:
            return self.config.decay
        return min(self.config.decay, (1 + since_start) / (10 + since_start))

    def state_dict(self) -> dict[str, Any]:
        """Return the average; how far it has come is the trainer's step."""
        return {"average": self._average}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a saved average; it is fitted to the model when the run starts."""
        self._average = dict(state["average"])


def _float_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that can be averaged, by name; those that are frozen have nothing to be averaged."""
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.is_floating_point() and parameter.requires_grad
    }
