"""The optimizer `muon`: torch's own for the matrices between the layers, and AdamW for all else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from torch import nn, optim

from seqtrain.api import ModelParameters, OffersAdaptiveSoftmax, OffersFeatures
from seqtrain_optim.full_parameters import is_sharded, step_whole
from seqtrain_optim.parameter_groups import can_fuse, decay_groups

if TYPE_CHECKING:
    from seqtrain_optim.optimizer_config import MuonConfig


class Muon(optim.Optimizer):
    """
    One optimizer made of two.

    AdamW updates what is no matrix, and, where the model can be asked for them, embeddings and the output layer.

    Source:
        Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); the scale that matches AdamW's
        from Liu et al., "Muon is scalable for LLM training" (2025), section 2.2.
    """

    def __init__(self, config: MuonConfig, *, parameters: Iterable[nn.Parameter]) -> None:
        trained = list(parameters)
        apart = _embeddings_and_output(parameters.model) if isinstance(parameters, ModelParameters) else set()
        hidden = [each for each in trained if each.ndim == 2 and each not in apart]
        chosen = set(hidden)
        others = [each for each in trained if each not in chosen]
        self._parts = [make(config, each) for make, each in ((_muon, hidden), (_adamw, others)) if each]
        super().__init__([group for part in self._parts for group in part.param_groups], {})

    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # torch's has overloads for a closure
        """Let both make their updates."""
        assert closure is None, "no part of seqtrain passes one"
        first = 0
        for part in self._parts:  # loading a state replaces groups and state, so they are handed on in every step
            last = first + len(part.param_groups)
            part.param_groups, part.state = self.param_groups[first:last], self.state
            if isinstance(part, optim.Muon) and is_sharded(part.param_groups[0]["params"]):
                step_whole(part, part.step)
            else:
                part.step()
            first = last


def _muon(config: MuonConfig, parameters: list[nn.Parameter]) -> optim.Optimizer:
    return optim.Muon(
        parameters,
        lr=config.lr,
        weight_decay=config.weight_decay,
        momentum=config.momentum,
        nesterov=config.nesterov,
        ns_steps=config.newton_schulz_steps,
        adjust_lr_fn=config.scale,
    )


def _adamw(config: MuonConfig, parameters: list[nn.Parameter]) -> optim.Optimizer:
    groups = decay_groups(parameters, config)
    lr = config.lr if config.adamw_lr is None else config.adamw_lr
    return optim.AdamW(groups, lr=lr, betas=config.betas, eps=config.eps, fused=can_fuse(groups))


def _embeddings_and_output(model: nn.Module) -> set[nn.Parameter]:
    """Return the parameters that have a row for each symbol."""
    tables: list[nn.Module] = [each for each in model.modules() if isinstance(each, (nn.Embedding, nn.EmbeddingBag))]
    if isinstance(model, OffersFeatures):
        tables.append(model.output_projection)
    if isinstance(model, OffersAdaptiveSoftmax):
        tables.append(model.adaptive_softmax)
    return {parameter for table in tables for parameter in table.parameters()}
