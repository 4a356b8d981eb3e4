"""Decoding with a model that has no cache: it reads the whole prefix again for every token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

PREFIX_NAME = "prev_output_tokens"
PROMPT_NAME = "tokens"


@dataclass
class FullPrefixState:
    """
    The inputs of the next forward pass.

    Args:
        net_input: what does not change, B*W rows each.
        tokens: (B*W, t) the prefix.
        tokens_name: what the model calls it.
        beam: W.
    """

    net_input: dict[str, Tensor]
    tokens: Tensor
    tokens_name: str
    beam: int

    def reorder(self, rows: Tensor, /) -> None:
        """Let row r go on from what row `rows[r]` was."""
        self.tokens = self.tokens[rows]  # the rest is the same for all rows of a sentence

    def keep(self, sentences: Tensor, /) -> None:
        """Go on with these sentences only."""
        rows = (sentences[:, None] * self.beam + torch.arange(self.beam, device=sentences.device)).flatten()
        self.net_input = {name: tensor[rows] for name, tensor in self.net_input.items()}
        self.tokens = self.tokens[rows]


class FullPrefixDecoding:
    """
    Make an `IncrementalModel` of any model that is called with a batch's `net_input`.

    Args:
        model: returns logits (B, T, V). What it reads as the prefix is called `PREFIX_NAME` in `net_input`; or
            `PROMPT_NAME`, for a language model, which has no source: the prefix then goes on from a prompt.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def start_decoding(self, net_input: Mapping[str, Tensor], *, beam: int) -> FullPrefixState:
        """Repeat the source, or the prompt, for each of `beam` rows."""
        repeated = {name: tensor.repeat_interleave(beam, dim=0) for name, tensor in net_input.items()}
        repeated.pop(PREFIX_NAME, None)
        if PROMPT_NAME in repeated:
            prompt = repeated.pop(PROMPT_NAME)  # (B*W, P)
            return FullPrefixState(repeated, prompt, PROMPT_NAME, beam)
        first = next(iter(repeated.values()))
        return FullPrefixState(repeated, first.new_empty((len(first), 0), dtype=torch.int64), PREFIX_NAME, beam)

    def decode_step(self, tokens: Tensor, state: Any, /) -> Tensor:
        """Append tokens (B*W, T) and return the logits after each, (B*W, T, V)."""
        state.tokens = torch.cat([state.tokens, tokens], dim=1)  # (B*W, t)
        logits: Tensor = self.model(**state.net_input, **{state.tokens_name: state.tokens})  # (B*W, t, V)
        return logits[:, -tokens.shape[1] :]
