"""
Ways to leave out units, words and weights in training.

B sequences, T positions, D size of a vector, V vocabulary.
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 - the name all torch code has for it
from torch import Tensor, nn


class LockedDropout(nn.Module):
    """
    Leave out the same units of a sequence at all of its positions, and scale the others up.

    Args:
        p: probability of being left out, in [0, 1).

    Source:
        Gal and Ghahramani 2016, arXiv:1512.05287; the name is that of Merity et al. 2017, arXiv:1708.02182.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Drop units of x (B, T, D)."""
        if not self.training or self.p == 0:
            return x
        return x * F.dropout(x.new_ones(len(x), 1, x.shape[2]), self.p)


class WordDropout(nn.Module):
    """
    Leave out some words' embeddings wherever in the batch they stand, and scale the others up.

    Args:
        p: probability of being left out, in [0, 1).
        vocab_size: V.

    Source:
        Merity et al. 2017, arXiv:1708.02182, section 4.3.
    """

    def __init__(self, p: float, vocab_size: int) -> None:
        super().__init__()
        self.p = p
        self.vocab_size = vocab_size

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """Drop words of tokens (B, T), embedded as x (B, T, D)."""
        if not self.training or self.p == 0:
            return x
        kept = F.dropout(x.new_ones(self.vocab_size), self.p)  # (V,): 0 or 1 / (1 - p)
        return x * kept[tokens][:, :, None]
