"""The callback `weight_growth`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from seqtrain.plugin import hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn

    from acme_seqtrain_rnn.config import WeightGrowthConfig
    from seqtrain.api import Trainer


class WeightGrowth:
    """
    Compare the norm of each weight matrix with what it was at first, and stop a run in which one has grown too much.

    A resumed run cannot see its first weights any more, so their norms are part of the state, and so is the largest
    growth so far.
    """

    def __init__(self, config: WeightGrowthConfig) -> None:
        self.config = config
        self.record: dict[str, Any] = {"growth": 1.0, "matrix": None, "step": 0}
        self._first: Tensor | None = None  # (P,) norms, of P matrices

    @hookimpl
    def seqtrain_run_start(self, trainer: Trainer) -> None:
        """Note the first norms, unless a checkpoint had them."""
        if self._first is None:
            self._first = _norms(trainer.model)

    @hookimpl
    def seqtrain_step_end(self, trainer: Trainer) -> None:
        """Compare, if it is time."""
        if not self.config.every.due(trainer.progress):
            return
        norms = _norms(trainer.model)
        assert self._first is not None
        largest, index = (norms / self._first.to(norms)).max(0)
        growth = float(largest)  # waits for the device, hence not in every step
        if growth > self.record["growth"]:
            matrix = list(_matrices(trainer.model))[int(index)]
            self.record = {"growth": growth, "matrix": matrix, "step": trainer.progress.step}
        if growth > self.config.limit:
            trainer.stop(f"the norm of {self.record['matrix']} is {growth:.3g} times what it was at first")

    def state_dict(self) -> dict[str, Any]:
        """Return the first norms and the largest growth."""
        return {"first": self._first, "record": self.record}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take them over."""
        self._first, self.record = state["first"], dict(state["record"])


def _matrices(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return what has rows and columns; a bias may well start at zero and grow from there."""
    return {name: each for name, each in model.named_parameters() if each.dim() > 1}


@torch.no_grad()
def _norms(model: nn.Module) -> Tensor:
    return torch.stack([each.norm() for each in _matrices(model).values()])
