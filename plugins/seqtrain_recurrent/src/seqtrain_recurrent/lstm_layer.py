"""
One layer of LSTM cells, read from left to right.

B sequences, T positions, D size of an input, U units.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the name all torch code has for it
from torch import Tensor, nn

SHUT = 1e4  # the sigmoid of minus this is 0, and of this 1, exactly, in any floating-point type


class LSTMLayer(nn.LSTM):
    """
    torch's LSTM of one layer, which can drop weights, and stop at padding.

    Args:
        input_dim: D.
        hidden_dim: U.
        weight_dropout: share of the weights from state to state that are zero in a forward pass of training.

    Source:
        Dropping weights: Merity et al. 2017, arXiv:1708.02182, section 2.
    """

    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor

    def __init__(self, input_dim: int, hidden_dim: int, weight_dropout: float = 0.0) -> None:
        super().__init__(input_dim, hidden_dim, batch_first=True)
        self.weight_dropout = weight_dropout

    def forward(  # type: ignore[override] # packed sequences are not taken
        self, x: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """
        Read sequences.

        Args:
            x: (B, T, D).
            state: hidden state and cell to start from, (1, B, U) each; None: zeros.

        Returns:
            The hidden states (B, T, U), and the last state.
        """
        if not (self.training and self.weight_dropout):
            out, last = super().forward(x, state)
            return out, last
        if state is None:
            state = (x.new_zeros(1, len(x), self.hidden_size),) * 2
        recurrent = F.dropout(self.weight_hh_l0, self.weight_dropout)
        return _run(x, state, [self.weight_ih_l0, recurrent, self.bias_ih_l0, self.bias_hh_l0])

    def read_rows(self, x: Tensor, is_real: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """
        Read rows of unequal lengths from zeros on, each to its own end.

        Packed sequences would do, but cost twice the time on a CPU, and on other devices make it wait for the lengths.
        Instead padding is marked by one more unit of input, which shuts the input gate and opens the forget gate wide:
        so a cell stays as the last token left it.

        Args:
            x: (B, T, D).
            is_real: (B, T) bool, False at padding, which stands on the right.

        Returns:
            The hidden states (B, T, U), of no meaning at padding; and hidden state and cell after the last token,
            (B, U) each.
        """
        mark = (~is_real).to(x.dtype)[:, :, None]
        gates = x.new_tensor([-SHUT, SHUT, 0.0, 0.0])  # input, forget, cell, output
        weight = torch.cat((self.weight_ih_l0, gates.repeat_interleave(self.hidden_size)[:, None]), dim=1)
        zeros = x.new_zeros(1, len(x), self.hidden_size)
        weights = [weight, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0]
        out, (_, cell) = _run(torch.cat((x, mark), dim=2), (zeros, zeros), weights)
        ends = (is_real.sum(1) - 1).clamp(min=0)
        hidden = out[torch.arange(len(x), device=x.device), ends]
        return out, hidden, cell[0]


def _run(x: Tensor, state: tuple[Tensor, Tensor], weights: list[Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Run one layer with other weights than its own."""
    out, hidden, cell = torch.lstm(
        x, state, weights, has_biases=True, num_layers=1, dropout=0.0, train=True, bidirectional=False, batch_first=True
    )
    return out, (hidden, cell)
