"""Texts that grow longer than a model can read: it goes on from the latter half of what it has read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seqtrain.api import DecodingState, IncrementalModel
from seqtrain_lm.rows import TOKENS_NAME
from seqtrain_text.decoding import FullPrefixDecoding


@dataclass
class SlidingState:
    """
    B texts of W rows each.

    Args:
        inner: the model's state.
        tokens: (B*W, t) all so far.
        num_read: tokens in the model's state.
        beam: W.
    """

    inner: DecodingState
    tokens: Tensor
    num_read: int
    beam: int

    def reorder(self, rows: Tensor, /) -> None:
        """Let row r go on from what row `rows[r]` was."""
        self.inner.reorder(rows)
        self.tokens = self.tokens[rows]

    def keep(self, sentences: Tensor, /) -> None:
        """Go on with these texts only."""
        self.inner.keep(sentences)
        self.tokens = self.tokens.view(-1, self.beam, self.tokens.shape[1])[sentences].flatten(0, 1)


class SlidingModel(nn.Module):
    """
    Makes an `IncrementalModel` for texts of any length of a language model that reads `context` tokens at most.

    When its memory is full, it is emptied, and the model reads the last half of its context again: once in
    `context / 2` steps, as its positions cannot be moved one by one.

    Args:
        model: a language model; read whole for each token, if it has no memory of its own.
        context: tokens that it reads at most.
    """

    def __init__(self, model: nn.Module, context: int) -> None:
        super().__init__()
        self.model = model
        self._incremental = model if isinstance(model, IncrementalModel) else FullPrefixDecoding(model)
        self._context = context

    def start_decoding(self, net_input: Mapping[str, Tensor], *, beam: int) -> SlidingState:
        """Read prompts (B, P), P < context, for `beam` rows each."""
        prompts = net_input[TOKENS_NAME]
        inner = self._incremental.start_decoding(net_input, beam=beam)
        return SlidingState(inner, prompts.repeat_interleave(beam, dim=0), prompts.shape[1], beam)

    def decode_step(self, tokens: Tensor, state: SlidingState, /) -> Tensor:
        """Append tokens (B*W, 1) and return the logits after them, (B*W, 1, V)."""
        state.tokens = torch.cat([state.tokens, tokens], dim=1)
        if state.num_read == self._context:
            tokens = state.tokens[:, -max(self._context // 2, 1) :]
            nothing = tokens[:: state.beam, :0]  # (B, 0)
            state.inner = self._incremental.start_decoding({TOKENS_NAME: nothing}, beam=state.beam)
            state.num_read = 0
        state.num_read += tokens.shape[1]
        logits: Tensor = self._step(tokens, state.inner)
        return logits[:, -1:]

    def _step(self, tokens: Tensor, inner: Any) -> Tensor:
        return self._incremental.decode_step(tokens, inner)
