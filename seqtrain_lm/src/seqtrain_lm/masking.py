"""
Batches for a model that restores masked tokens.

A masked token is replaced by the mask, by another token or by itself, as `NoiseConfig` says.
How many of a block are masked depends on its length alone, so that a batch's number of targets is known beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from seqtrain.api import Batch
from seqtrain_lm.mapped_array import IntArray
from seqtrain_lm.noise_config import NoiseConfig
from seqtrain_lm.rows import TOKENS_NAME, BlockRows
from seqtrain_lm.vocabulary import Vocabulary
from seqtrain_text.padded import pad_rows


@dataclass(frozen=True)
class MaskedBatches:
    """
    Makes batches and, in training, masks other tokens each time.

    Args:
        vocabulary: with one hidden id, the mask.
        noise: what is masked.
    """

    vocabulary: Vocabulary
    noise: NoiseConfig

    @property
    def key(self) -> str:
        """What the batches depend on besides the blocks."""
        return f"masked {self.noise}"

    @cached_property
    def _ordinary(self) -> Tensor:
        return torch.from_numpy(self.vocabulary.ordinary())

    def lengths(self, blocks: IntArray) -> IntArray:
        """Return the lengths (n, 1) of examples of n blocks, given theirs."""
        return blocks[:, None]

    def num_masked(self, lengths: IntArray) -> IntArray:
        """Return how many tokens of blocks are masked, given their lengths: at least one each."""
        counts: IntArray = np.rint(lengths * self.noise.mask_prob).astype(np.int64).clip(min=1)
        return counts

    def __call__(self, ids: IntArray, rows: BlockRows) -> Batch:
        """
        Make a batch, masked by (noise.seed, example).

        Returns:
            net_input `tokens` (B, T); target (B, T), the token at masked places, padding at others.
        """
        lengths = rows.lengths
        counts = self.num_masked(lengths)
        generators = [np.random.default_rng([self.noise.seed, int(each)]) for each in ids]
        places = [
            rng.choice(length, count, replace=False)
            for rng, length, count in zip(generators, lengths, counts, strict=True)
        ]
        draws = np.concatenate([rng.random((2, count)) for rng, count in zip(generators, counts, strict=True)], axis=1)
        starts = np.repeat(np.cumsum(lengths) - lengths, counts)
        where = starts + np.concatenate(places)  # of the masked among all tokens
        target = np.full_like(rows.tokens, self.vocabulary.padding)
        target[where] = rows.tokens[where]
        tokens = rows.tokens.copy()
        tokens[where] = self._replaced(torch.from_numpy(rows.tokens[where]), *torch.from_numpy(draws)).numpy()
        padded = torch.from_numpy(pad_rows(target, lengths, self.vocabulary.padding))  # (B, T)
        return Batch(
            ids=torch.from_numpy(ids),
            net_input={TOKENS_NAME: torch.from_numpy(pad_rows(tokens, lengths, self.vocabulary.padding))},
            target=padded,
            num_targets=len(where),
            num_tokens=len(tokens),
            num_positions=padded.numel(),
            num_source_tokens=len(tokens),
        )

    def masked_anew(self, sample: Batch) -> Batch:
        """Return a batch with as many tokens masked of every row, drawn by torch's generator."""
        tokens, target, padding = sample.net_input[TOKENS_NAME], sample.target, self.vocabulary.padding
        was_masked, is_text = target != padding, tokens != padding  # (B, T)
        text = torch.where(was_masked, target, tokens)
        draws = torch.rand((3, *text.shape), device=text.device)
        ranks = draws[0].masked_fill(~is_text, 2.0).argsort(dim=1).argsort(dim=1)
        chosen = ranks < was_masked.sum(1, keepdim=True)
        masked = torch.where(chosen, self._replaced(text, draws[1], draws[2]), text)
        return replace(sample, net_input={TOKENS_NAME: masked}, target=text.masked_fill(~chosen, padding))

    def _replaced(self, tokens: Tensor, kind: Tensor, which: Tensor) -> Tensor:
        """Return what stands for masked tokens, given two numbers in [0, 1) for each."""
        noise, ordinary = self.noise, self._ordinary.to(tokens.device)
        other = ordinary[(which * len(ordinary)).long()]
        hidden = torch.full_like(tokens, self.vocabulary.first_hidden)
        shown = torch.where(kind < noise.leave_share, tokens, other)
        return torch.where(kind < noise.leave_share + noise.random_share, shown, hidden)
