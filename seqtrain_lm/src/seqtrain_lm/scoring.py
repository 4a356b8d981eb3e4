"""
The log-probability of every token of a text, each scored once, with as much before it as the settings allow.

Validation, `evaluate` and `predict` share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import nn

from seqtrain.api import Batch, Tokenizer
from seqtrain_lm.config import LMConfig
from seqtrain_lm.mapped_array import IntArray
from seqtrain_lm.rows import TOKENS_NAME
from seqtrain_text.decoding import score_references
from seqtrain_text.padded import pad_rows

TextSpan = tuple[int, int]
"""Tokens [start, stop) that are read as one text."""

ReadTokens = Callable[[IntArray, IntArray], IntArray]
"""Returns the tokens [start, start + length) for each of several starts and lengths."""

WINDOWS = 4096  # looked at together, so that similar lengths go into one batch


@dataclass(frozen=True)
class Window:
    """
    Tokens that the model reads at once.

    Args:
        start: the first of them.
        scored: the first that is scored; what is before it is context.
        stop: behind the last.
        is_first: the text begins here, so that no token of it is before the first.
    """

    start: int
    scored: int
    stop: int
    is_first: bool


def windows(spans: Iterable[TextSpan], *, context: int, stride: int) -> Iterator[Window]:
    """
    Yield windows that score every token of each text once.

    Args:
        spans: the texts.
        context: tokens in a window.
        stride: tokens scored in each but a text's first window, where all are.
    """
    for start, stop in spans:
        scored = start
        while scored < stop:
            end = min(scored + (context if scored == start else stride), stop)
            first = max(start, end - context)
            yield Window(first, scored, end, is_first=first == start)
            scored = end


@dataclass(frozen=True, kw_only=True)
class TokenScorer:
    """
    Models that score text.

    Args:
        models: one, or several whose probabilities are averaged; on their device, in evaluation mode.
        padding: fills up rows.
        eos: what stands before a text.
        context: see `windows`.
        stride: see `windows`.
        max_tokens: of a batch, padding included.
    """

    models: Sequence[nn.Module]
    padding: int
    eos: int
    context: int
    stride: int
    max_tokens: int

    @classmethod
    def of(cls, models: Sequence[nn.Module], tokenizer: Tokenizer, config: LMConfig) -> TokenScorer:
        """Make one with the settings of a task."""
        return cls(
            models=models,
            padding=tokenizer.padding,
            eos=tokenizer.eos,
            context=config.context,
            stride=config.stride,
            max_tokens=config.evaluation.max_tokens,
        )

    def batches(self, spans: Iterable[TextSpan]) -> Iterator[list[Window]]:
        """Yield the windows of texts, of similar lengths together."""
        remaining = windows(spans, context=self.context, stride=self.stride)
        while some := list(islice(remaining, WINDOWS)):
            some.sort(key=lambda window: window.start - window.stop)
            while some:
                size = max(1, self.max_tokens // (some[0].stop - some[0].start))
                together, some = some[:size], some[size:]
                yield together

    def __call__(self, read: ReadTokens, together: Sequence[Window]) -> list[list[float]]:
        """
        Score a batch.

        Args:
            read: the text's tokens.
            together: the windows.

        Returns:
            For each window the log-probability in nats of each token that is scored in it.

        Raises:
            TrainingError: the models' output is NaN.
        """
        device = next(self.models[0].parameters()).device
        return score_references(self.models, self._batch(together, read).to(device), padding=self.padding)

    def _batch(self, together: Sequence[Window], read: ReadTokens) -> Batch:
        """Put windows side by side; the target is padding where nothing is scored."""
        starts = np.array([each.start for each in together], np.int64)
        lengths = np.array([each.stop for each in together], np.int64) - starts
        num_context = np.array([each.scored for each in together], np.int64) - starts
        target = pad_rows(read(starts, lengths), lengths, self.padding)  # (B, T)
        inside = np.array([not each.is_first for each in together])
        tokens = np.roll(target, 1, axis=1)
        tokens[:, 0] = self.eos
        tokens[inside, 0] = read(starts[inside] - 1, np.ones(inside.sum(), np.int64))
        places = np.arange(target.shape[1])
        tokens[places >= lengths[:, None]] = self.padding
        target[places < num_context[:, None]] = self.padding
        num_scored = int((lengths - num_context).sum())
        return Batch(
            ids=torch.from_numpy(starts),
            net_input={TOKENS_NAME: torch.from_numpy(tokens)},
            target=torch.from_numpy(target),
            num_targets=num_scored,
            num_tokens=int(lengths.sum()),
            num_positions=target.size,
        )
