"""
Reading whole texts, in one direction or both.

B texts, S positions, D size of an input, U units in all directions together, L layers.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from seqtrain_recurrent.lstm_layer import LSTMLayer


class Encoded(NamedTuple):
    """
    What remains of texts that were read.

    Args:
        vectors: (B, S, U), of no meaning at padding.
        hidden: (L, B, U), each layer's hidden state after the last token, or, backwards, after the first.
        cell: (L, B, U), likewise.
    """

    vectors: Tensor
    hidden: Tensor
    cell: Tensor


class LSTMStack(nn.Module):
    """
    Layers of LSTM cells; if bidirectional, each has two halves of which one reads from the end.

    Args:
        input_dim: D.
        hidden_dim: units of a layer in one direction.
        layers: L.
        bidirectional: read backwards too.
        dropout: of what one layer hands to the next.
    """

    def __init__(self, input_dim: int, hidden_dim: int, layers: int, *, bidirectional: bool, dropout: float) -> None:
        super().__init__()
        self.units = hidden_dim * (2 if bidirectional else 1)
        sizes = [input_dim, *[self.units] * (layers - 1)]
        self.forwards = nn.ModuleList(LSTMLayer(size, hidden_dim) for size in sizes)
        self.backwards = nn.ModuleList(LSTMLayer(size, hidden_dim) for size in sizes if bidirectional)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, is_real: Tensor) -> Encoded:
        """
        Read texts.

        Args:
            x: (B, S, D).
            is_real: (B, S) bool, False at padding, which stands on the right.
        """
        order = _reversed_order(is_real)
        ends = []
        for number, layer in enumerate(self.forwards):
            if number:
                x = self.dropout(x)
            out, *end = cast("LSTMLayer", layer).read_rows(x, is_real)
            if self.backwards:
                back, *start = cast("LSTMLayer", self.backwards[number]).read_rows(_arrange(x, order), is_real)
                out = torch.cat((out, _arrange(back, order)), dim=2)
                end = [torch.cat(halves, dim=1) for halves in zip(end, start, strict=True)]
            ends.append(end)
            x = out
        hidden, cell = (torch.stack(states) for states in zip(*ends, strict=True))
        return Encoded(x, hidden, cell)


def _reversed_order(is_real: Tensor) -> Tensor:
    """Return the order (B, S) int64 in which texts are read backwards; padding stays where it is."""
    place = torch.arange(is_real.shape[1], device=is_real.device)
    mirrored = is_real.sum(1, keepdim=True) - 1 - place
    return torch.where(is_real, mirrored, place)


def _arrange(x: Tensor, order: Tensor) -> Tensor:
    """Put the positions of x (B, S, D) into an order (B, S)."""
    return x.gather(1, order[:, :, None].expand(x.shape))
