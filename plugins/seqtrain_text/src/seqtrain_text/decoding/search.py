"""
The loop that beam search and sampling share.

B sentences, W rows each, t tokens so far, V vocabulary, C candidates for the next step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from seqtrain.api import ConfigError
from seqtrain_text.decoding.constraints import FREE, forbid_repeats, force
from seqtrain_text.decoding.ensemble import Ensemble
from seqtrain_text.decoding.hypothesis import Hypothesis, Sources, SpecialTokens
from seqtrain_text.search_config import SearchConfig

DEAD = -float("inf")  # the total of a row that nothing can follow


@dataclass(frozen=True)
class Candidates:
    """
    Ways in which rows may go on, C >= W for each sentence.

    Args:
        totals: (B, C) log-probability of the whole row with the new token.
        rows: (B, C) int64, the row that goes on, in [0, W).
        tokens: (B, C) int64, with which token.
        log_probs: (B, C) log-probability of that token.
    """

    totals: Tensor
    rows: Tensor
    tokens: Tensor
    log_probs: Tensor


class Strategy(Protocol):
    """What tells beam search from sampling."""

    def first_totals(self) -> Tensor:
        """Return what the W rows of every sentence start with, (W,); a `DEAD` row proposes nothing."""
        ...

    def propose(self, totals: Tensor, log_probs: Tensor, /) -> Candidates:
        """Propose candidates, given the rows' totals (B, W) and the next tokens' log-probabilities (B, W, V)."""
        ...


@dataclass
class Rows:
    """
    The sentences that are still being decoded.

    Args:
        sentences: (B,) int64, which sentences of the input they are.
        max_lengths: (B,) int64, most tokens before the end.
        prefix: (B, P) int64, tokens that are forced; padding after a shorter one.
        num_ended: (B,) int64, hypotheses that have ended.
        tokens: (B, W, 1 + t) int64, what was read first included.
        log_probs: (B, W, t) of the tokens.
        totals: (B, W) sums of log_probs, or `DEAD`.
    """

    sentences: Tensor
    max_lengths: Tensor
    prefix: Tensor
    num_ended: Tensor
    tokens: Tensor
    log_probs: Tensor
    totals: Tensor

    @property
    def num_generated(self) -> int:
        """The tokens that each row has, t."""
        return self.log_probs.shape[2]

    def extend(self, parents: Tensor, tokens: Tensor, log_probs: Tensor, totals: Tensor) -> None:
        """Replace each row by its parent and one more token; all (B, W)."""
        self.tokens = _append(_follow(self.tokens, parents), tokens)
        self.log_probs = _append(_follow(self.log_probs, parents), log_probs)
        self.totals = totals

    def keep(self, sentences: Tensor) -> None:
        """Go on with these sentences only."""
        for name, tensor in vars(self).items():
            setattr(self, name, tensor[sentences])


def _follow(history: Tensor, parents: Tensor) -> Tensor:
    """Return the histories (B, W, t) of the rows `parents` (B, W)."""
    return history.gather(1, parents[:, :, None].expand_as(history))


def _append(history: Tensor, new: Tensor) -> Tensor:
    """Append one column (B, W) to histories (B, W, t)."""
    return torch.cat([history, new[:, :, None]], dim=2)


class Search:
    """
    Decode B sentences side by side.

    Every step asks the models for the next token of all rows, lets the strategy propose candidates, sets aside those
    of the first W that end, and goes on with the best W of the others. A sentence is done when W hypotheses have
    ended, or when none of its rows is alive.

    Args:
        models: one, or several that decide together; in evaluation mode.
        sources: the sentences.
        config: the settings.
        special: ids with a meaning of their own.
        strategy: proposes candidates.
    """

    def __init__(
        self,
        models: Sequence[nn.Module],
        sources: Sources,
        config: SearchConfig,
        special: SpecialTokens,
        *,
        strategy: Strategy,
    ) -> None:
        limits = sources.max_lengths
        first = strategy.first_totals().to(limits.device)
        num_sentences, self._width = len(limits), len(first)
        self._config = config
        self._special = special
        self._strategy = strategy
        self._models = Ensemble(models, sources.net_input, beam=self._width, temperature=config.temperature)
        self._ended: list[list[Hypothesis]] = [[] for _ in range(num_sentences)]
        prefix = limits.new_empty((num_sentences, 0)) if sources.prefix is None else sources.prefix
        first_tokens = torch.full_like(limits, special.bos) if sources.first is None else sources.first
        self._rows = Rows(
            sentences=torch.arange(num_sentences, device=limits.device),
            max_lengths=limits.maximum((prefix != special.padding).sum(1)),
            prefix=prefix,
            num_ended=torch.zeros_like(limits),
            tokens=first_tokens[:, None, None].expand(-1, self._width, 1),
            log_probs=first.new_empty((num_sentences, self._width, 0)),
            totals=first.expand(num_sentences, -1),
        )

    def run(self) -> list[list[Hypothesis]]:
        """Return the hypotheses of each sentence, best first, `config.nbest` at most."""
        while len(self._rows.sentences):
            candidates = self._strategy.propose(self._rows.totals, self._next_log_probs())
            is_end = candidates.tokens == self._special.eos  # (B, C)
            self._set_aside(candidates, is_end)
            self._go_on(candidates, is_end)
        for sentence, hypotheses in enumerate(self._ended):
            hypotheses.sort(key=lambda hypothesis: hypothesis.score, reverse=True)
            if not hypotheses:
                raise ConfigError(
                    f"Sentence {sentence + 1} of the batch has no possible result: at some length every token, "
                    f"the end included, is ruled out. Lower min_len={self._config.min_len}, or raise or unset "
                    f"no_repeat_ngram_size={self._config.no_repeat_ngram_size}."
                )
        return [hypotheses[: self._config.nbest] for hypotheses in self._ended]

    def _next_log_probs(self) -> Tensor:
        """Return the log-probabilities (B, W, V) of the next tokens, -inf for what is ruled out."""
        special, rows = self._special, self._rows
        log_probs = self._models.step(rows.tokens[:, :, -1].reshape(-1, 1))  # (B*W, V)
        forced = self._forced_tokens().repeat_interleave(self._width)  # (B*W,)
        forced_values = log_probs.gather(1, forced.clamp(min=0)[:, None])[:, 0]
        for never in {special.bos, special.padding} - {special.eos}:
            log_probs[:, never] = DEAD
        log_probs[:, special.unknown] -= self._config.unkpen
        if rows.num_generated < self._config.min_len:
            log_probs[:, special.eos] = DEAD
        if self._config.no_repeat_ngram_size:
            forbid_repeats(log_probs, rows.tokens[:, :, 1:].flatten(0, 1), self._config.no_repeat_ngram_size)
        force(log_probs, forced, forced_values)
        return log_probs.view(len(rows.sentences), self._width, -1)  # (B, W, V)

    def _forced_tokens(self) -> Tensor:
        """Return the only token (B,) that may come next, of the prefix or at the length limit; `FREE` elsewhere."""
        rows, step = self._rows, self._rows.num_generated
        forced = torch.full_like(rows.sentences, FREE)
        if step < rows.prefix.shape[1]:
            given = rows.prefix[:, step]
            forced = forced.where(given == self._special.padding, given)
        return forced.masked_fill(rows.max_lengths <= step, self._special.eos)

    def _set_aside(self, candidates: Candidates, is_end: Tensor) -> None:
        """Keep as hypotheses the candidates of the first W that end, up to W a sentence."""
        rows, width = self._rows, self._width
        ended = is_end[:, :width] & (candidates.totals[:, :width] > DEAD)  # (B, W)
        ended &= rows.num_ended[:, None] + ended.cumsum(1) <= width
        rows.num_ended += ended.sum(1)
        sentence, rank = ended.nonzero(as_tuple=True)  # (N,) each
        row = candidates.rows[sentence, rank]
        totals = candidates.totals[sentence, rank] / (rows.num_generated + 1) ** self._config.lenpen
        last = candidates.log_probs[sentence, rank]
        for which, tokens, log_probs, score in zip(
            rows.sentences[sentence].tolist(),
            rows.tokens[sentence, row, 1:].tolist(),
            torch.cat([rows.log_probs[sentence, row], last[:, None]], dim=1).tolist(),
            totals.tolist(),
            strict=True,
        ):
            self._ended[which].append(Hypothesis(tokens=tokens, log_probs=log_probs, score=score))

    def _go_on(self, candidates: Candidates, is_end: Tensor) -> None:
        """Let the best W candidates that do not end become the rows; drop the sentences that are done."""
        rows = self._rows
        totals, best = candidates.totals.masked_fill(is_end, DEAD).topk(self._width, dim=1)  # (B, W) each
        parents = candidates.rows.gather(1, best)
        rows.extend(parents, candidates.tokens.gather(1, best), candidates.log_probs.gather(1, best), totals)
        undone = (rows.num_ended < self._width) & (totals[:, 0] > DEAD)  # (B,); the first is the best
        (kept,) = undone.nonzero(as_tuple=True)
        if len(kept) < len(undone):
            rows.keep(kept)
            parents = parents[kept]
            if len(kept):
                self._models.keep(kept)
        stay = torch.arange(self._width, device=parents.device).expand_as(parents)
        if not torch.equal(parents, stay):
            first_rows = torch.arange(len(parents), device=parents.device)[:, None] * self._width
            self._models.reorder((first_rows + parents).flatten())
