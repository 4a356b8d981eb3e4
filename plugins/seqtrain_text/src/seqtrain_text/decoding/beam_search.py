"""
Beam search; with a beam of one, greedy search.

As in fairseq: the 2 W best ways to go on are looked at, those among the first W that end become hypotheses, the best W
of the others go on, and a sentence is done when W hypotheses have ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqtrain_text.decoding.hypothesis import Hypothesis, Sources, SpecialTokens
from seqtrain_text.decoding.search import DEAD, Candidates, Search
from seqtrain_text.search_config import SearchConfig


@dataclass(frozen=True)
class _BestFirst:
    """Propose the 2 W likeliest ways to go on."""

    width: int

    def first_totals(self) -> Tensor:
        """Let one row start alone: W equal ones would find the same things W times."""
        totals = torch.full((self.width,), DEAD)
        totals[0] = 0
        return totals

    def propose(self, totals: Tensor, log_probs: Tensor, /) -> Candidates:
        """Take the 2 W best of every row, then the 2 W best of all rows."""
        values, tokens = log_probs.topk(min(2 * self.width, log_probs.shape[2]), dim=2)  # (B, W, 2W)
        per_row = values.shape[2]
        sums = (totals[:, :, None] + values).flatten(1)
        best, index = sums.topk(min(2 * self.width, sums.shape[1]), dim=1)  # (B, 2W), descending
        return Candidates(
            totals=best,
            rows=index // per_row,
            tokens=tokens.flatten(1).gather(1, index),
            log_probs=values.flatten(1).gather(1, index),
        )


@torch.no_grad()
def beam_search(
    models: Sequence[nn.Module], sources: Sources, config: SearchConfig, special: SpecialTokens
) -> list[list[Hypothesis]]:
    """
    Find likely results for B sentences or prompts.

    Args:
        models: one, or several whose probabilities are averaged; in evaluation mode.
        sources: the sentences.
        config: the settings; those of sampling are ignored.
        special: ids with a meaning of their own.

    Returns:
        For each sentence `config.nbest` hypotheses, best first (fewer where the length allows no more).

    Raises:
        TrainingError: the models' output is NaN.
        ConfigError: the settings rule out every result.
    """
    return Search(models, sources, config, special, strategy=_BestFirst(config.beam)).run()
