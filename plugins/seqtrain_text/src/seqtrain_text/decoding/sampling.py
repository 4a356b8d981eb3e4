"""Text drawn at random, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqtrain_text.decoding.hypothesis import Hypothesis, Sources, SpecialTokens
from seqtrain_text.decoding.search import DEAD, Candidates, Search
from seqtrain_text.search_config import SearchConfig


def keep_top_k(log_probs: Tensor, k: int) -> Tensor:
    """Set all but the k largest of log_probs (..., V) to -inf; ties with the k-th stay."""
    smallest = log_probs.topk(min(k, log_probs.shape[-1]), dim=-1).values[..., -1:]
    return log_probs.masked_fill(log_probs < smallest, DEAD)


def keep_top_p(log_probs: Tensor, p: float) -> Tensor:
    """
    Keep the smallest set of likeliest tokens whose probabilities sum to at least p; set the rest to -inf.

    Args:
        log_probs: (..., V); they need not sum to one.
        p: in (0, 1].

    Source:
        Holtzman et al. 2020, arXiv:1904.09751, section 3.1.
    """
    ordered, tokens = log_probs.softmax(-1).sort(dim=-1, descending=True)
    before = ordered.cumsum(-1) - ordered  # the mass of the likelier tokens; 0 for the first, which always stays
    dropped = (before >= p).scatter(-1, tokens, before >= p)
    return log_probs.masked_fill(dropped, DEAD)


@dataclass(frozen=True)
class _AtRandom:
    """Propose one token for each row, drawn from the model's distribution."""

    config: SearchConfig
    generator: torch.Generator

    def first_totals(self) -> Tensor:
        """Let every row start: each is a sample of its own."""
        return torch.zeros(self.config.nbest)

    def propose(self, totals: Tensor, log_probs: Tensor, /) -> Candidates:
        """Draw a token for each row; its score is the model's, whatever top-k and top-p left of it."""
        allowed = log_probs
        if self.config.top_k:
            allowed = keep_top_k(allowed, self.config.top_k)
        if self.config.top_p < 1:
            allowed = keep_top_p(allowed, self.config.top_p)
        # A row with nothing to draw from gives NaN; whatever is drawn instead has log-probability -inf and kills it.
        probabilities = allowed.flatten(0, 1).softmax(-1).nan_to_num(nan=1.0)  # (B*W, V)
        tokens = torch.multinomial(probabilities, 1, generator=self.generator).view_as(totals)  # (B, W)
        drawn = log_probs.gather(2, tokens[:, :, None])[:, :, 0]
        rows = torch.arange(totals.shape[1], device=totals.device).expand_as(totals)
        return Candidates(totals=totals + drawn, rows=rows, tokens=tokens, log_probs=drawn)


@torch.no_grad()
def sample(
    models: Sequence[nn.Module],
    sources: Sources,
    config: SearchConfig,
    special: SpecialTokens,
    generator: torch.Generator,
) -> list[list[Hypothesis]]:
    """
    Draw `config.nbest` results for each of B sentences or prompts, independently.

    Args:
        models: one, or several whose probabilities are averaged; in evaluation mode.
        sources: the sentences.
        config: the settings; those of beam search are ignored.
        special: ids with a meaning of their own.
        generator: the source of randomness, on the models' device.

    Returns:
        For each sentence its samples, best first.

    Raises:
        TrainingError: the models' output is NaN.
        ConfigError: the settings rule out every result.
    """
    return Search(models, sources, config, special, strategy=_AtRandom(config, generator)).run()
