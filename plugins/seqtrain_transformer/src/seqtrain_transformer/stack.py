"""
A stack of layers over an embedding: the part that all models here share.

B sequences, R rows (B, or B*W when decoding with a beam of W), T positions, D model size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from seqtrain_transformer.config import LayerConfig
from seqtrain_transformer.decoding_state import TransformerState
from seqtrain_transformer.embedding import Embedding
from seqtrain_transformer.layout import Layout
from seqtrain_transformer.norm import make_norm
from seqtrain_transformer.positions import LearnedPositions
from seqtrain_transformer.rotary import rotation


class Stack(nn.Module):
    """
    An embedding, layers, and, with pre-norm, a norm at the end.

    Args:
        config: what the layers have in common.
        embedding: tokens to vectors.
        layers: called with x (R, T, D) and its layout, and with what they read besides.
    """

    def __init__(self, config: LayerConfig, embedding: Embedding, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.embedding = embedding
        self.layers = nn.ModuleList(layers)
        self.final_norm = make_norm(config) if config.pre_norm else nn.Identity()
        self.layer_drop = config.layer_drop
        self.checkpoint_activations = config.checkpoint_activations
        self.rotated_dim = config.head_dim if config.positions == "rotary" else None

    def forward(self, tokens: Tensor, layout: Layout, *read: Any) -> Tensor:
        """
        Return features (B, T, D).

        Args:
            tokens: (B, T) int64, whole sequences.
            layout: which of them others may read.
            read: what layers read besides.
        """
        x = self.embedding(tokens, places=layout.places)  # (B, T, D)
        layout = layout._replace(rotation=self._rotation(0, tokens))
        for layer in self._layers_of_this_pass():
            if self.checkpoint_activations and torch.is_grad_enabled():
                x = checkpoint(layer, x, layout, *read, use_reentrant=False)
            else:
                x = layer(x, layout, *read)
        out: Tensor = self.final_norm(x)
        return out

    def row_meanings(self, name: str, vocabulary: str) -> dict[str, str]:
        """Return what `DescribesRows` wants to know, of a stack of this name that reads a vocabulary."""
        meanings = {f"{name}.embedding.tokens": vocabulary}
        if isinstance(self.embedding.positions, LearnedPositions):
            meanings[f"{name}.embedding.positions"] = "positions"
        return meanings

    def step(self, tokens: Tensor, state: TransformerState) -> Tensor:
        """Return features (R, T, D) of tokens (R, T) that go on from those in the state; they are added to it."""
        start = state.length
        x = self.embedding(tokens, start=start)  # (R, T, D)
        layout = Layout(keep=state.extend(tokens.shape[1]), rotation=self._rotation(start, tokens))
        for layer, memory in zip(self.layers, state.memories(), strict=True):
            x = layer(x, layout, *memory)
        out: Tensor = self.final_norm(x)
        return out

    def _layers_of_this_pass(self) -> Iterator[nn.Module]:
        """
        Yield all layers; in training, leave out each with probability `layer_drop`.

        Source:
            Fan et al. 2019, arXiv:1909.11556, section 3.2; as there, nothing is scaled in return.
        """
        if not (self.training and self.layer_drop):
            yield from self.layers
            return
        draws = torch.rand(len(self.layers), device="cpu")  # all at once, so that a device need not be waited for
        yield from (layer for layer, draw in zip(self.layers, draws.tolist(), strict=True) if draw >= self.layer_drop)

    def _rotation(self, start: int, tokens: Tensor) -> Tensor | None:
        if self.rotated_dim is None:
            return None
        return rotation(start, tokens.shape[1], self.rotated_dim, tokens.device)
