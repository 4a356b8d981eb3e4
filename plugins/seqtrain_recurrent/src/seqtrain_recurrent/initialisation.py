"""Initial weights, and tables of tokens."""

from __future__ import annotations

import torch
from torch import nn

BOUND = 0.1


def token_table(vocab_size: int, dim: int, padding: int) -> nn.Embedding:
    """Return a table (V, D) of initial weights whose padding row gets no gradient as an input."""
    table = nn.Embedding(vocab_size, dim, padding_idx=padding)
    initialise(table)
    return table


def initialise(module: nn.Module) -> None:
    """
    Draw all weights and biases evenly from [-0.1, 0.1], as fairseq does; a table's padding row is zero.

    Source:
        Luong et al. 2015, arXiv:1508.04025, section 4.1.
    """
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -BOUND, BOUND)
    for each in module.modules():
        if isinstance(each, nn.Embedding) and each.padding_idx is not None:
            with torch.no_grad():
                each.weight[each.padding_idx].zero_()
