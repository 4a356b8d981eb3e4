"""
Feed-forward networks, applied to each position by itself.

R rows, T positions, D model size, F feed-forward size.
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 - the name all torch code has for it
from torch import Tensor, nn

from seqtrain_transformer.config import LayerConfig
from seqtrain_transformer.dropout import Dropout


def make_feed_forward(config: LayerConfig) -> nn.Module:
    """Return the network that a config asks for."""
    return GatedFeedForward(config) if config.activation == "swiglu" else FeedForward(config)


class FeedForward(nn.Module):
    """Two linear layers with a non-linearity between."""

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.embed_dim, config.ffn_dim)
        self.activation = nn.ReLU() if config.activation == "relu" else nn.GELU()
        self.dropout = Dropout(config.activation_dropout)
        self.contract = nn.Linear(config.ffn_dim, config.embed_dim)
        for linear in (self.expand, self.contract):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (R, T, D) to (R, T, D)."""
        out: Tensor = self.contract(self.dropout(self.activation(self.expand(x))))
        return out


class GatedFeedForward(nn.Module):
    """
    SwiGLU: contract(silu(gate(x)) * expand(x)). With two thirds of F it has as many parameters as `FeedForward`.

    Source:
        Shazeer 2020, arXiv:2002.05202, equation 6.
    """

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.embed_dim, config.ffn_dim)
        self.expand = nn.Linear(config.embed_dim, config.ffn_dim)
        self.dropout = Dropout(config.activation_dropout)
        self.contract = nn.Linear(config.ffn_dim, config.embed_dim)
        for linear in (self.gate, self.expand, self.contract):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (R, T, D) to (R, T, D)."""
        hidden = F.silu(self.gate(x)) * self.expand(x)  # (R, T, F)
        out: Tensor = self.contract(self.dropout(hidden))
        return out
