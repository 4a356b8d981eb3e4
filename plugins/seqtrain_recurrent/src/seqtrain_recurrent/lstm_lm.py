"""
The LSTM that continues text.

B sequences, W rows of each when decoding with a beam, R = B or B*W rows, T positions, D size of features, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from seqtrain.api import ModelSpec, apply_to_documents
from seqtrain_recurrent.config import LSTMLanguageModelConfig
from seqtrain_recurrent.decoding_state import RecurrentState
from seqtrain_recurrent.dropout import LockedDropout, WordDropout
from seqtrain_recurrent.initialisation import token_table
from seqtrain_recurrent.lstm_layer import LSTMLayer


class LSTMLanguageModel(nn.Module):
    """
    Predicts each token from those before it.

    Args:
        config: sizes and options.
        spec: vocabulary and padding.

    Source:
        Merity et al. 2017, arXiv:1708.02182, for the sizes of layers, the ways of dropping and the initial weights:
        tables within 0.1 of zero, all else within 1 / sqrt(U), which is what torch draws for layers of U units.
    """

    def __init__(self, config: LSTMLanguageModelConfig, *, spec: ModelSpec) -> None:
        super().__init__()
        self.padding = spec.padding
        last = config.embed_dim if config.tie_embeddings else config.hidden_dim
        sizes = [config.embed_dim, *[config.hidden_dim] * (config.layers - 1), last]
        self.tokens = token_table(spec.vocab_size, config.embed_dim, spec.padding)
        self.layers = nn.ModuleList(LSTMLayer(size, units, config.weight_dropout) for size, units in pairwise(sizes))
        self.word_dropout = WordDropout(config.embedding_dropout, spec.vocab_size)
        self.dropout_in, self.dropout_between, self.dropout_out = (
            _dropout(config, each) for each in (config.dropout_in, config.dropout_between, config.dropout_out)
        )
        self.output = nn.Linear(last, spec.vocab_size)
        if config.tie_embeddings:
            self.output.weight = self.tokens.weight

    @property
    def output_projection(self) -> nn.Linear:
        """The layer that turns features into logits."""
        return self.output

    @property
    def row_meanings(self) -> dict[str, str]:
        """What tables have rows for; see `DescribesRows`."""
        return {"tokens": "target", "output": "target"}

    def forward(self, tokens: Tensor, documents: Tensor | None = None, features_only: bool = False) -> Tensor:
        """
        Predict what follows each token.

        Args:
            tokens: (B, T) int64.
            documents: (B, T) int64, which document a token is of: none reads another's. None: a row is one document.
            features_only: leave out the output projection.

        Returns:
            (B, T, V) logits, or (B, T, D) features.
        """
        if documents is None:
            features = self._read(tokens)
        else:
            features = apply_to_documents(self._read, tokens, documents, self.padding)
        return features if features_only else self.output_projection(features)

    @torch.no_grad()
    def start_decoding(self, net_input: Mapping[str, Tensor], *, beam: int) -> RecurrentState:
        """
        Read the prompts and return a state with `beam` rows for each.

        Args:
            net_input: `tokens` (B, P) int64, prompts of equal length without their last token; P may be 0.
            beam: W.
        """
        prompts = net_input["tokens"]
        state = self._start(prompts)
        if prompts.shape[1]:
            self._read(prompts, state)  # once a prompt, not once a row
        return state.widen(beam)

    @torch.no_grad()
    def decode_step(self, tokens: Tensor, state: RecurrentState) -> Tensor:
        """Append tokens (B*W, T) int64 to the state and return the logits after each, (B*W, T, V)."""
        logits: Tensor = self.output_projection(self._read(tokens, state))
        return logits

    def _start(self, tokens: Tensor) -> RecurrentState:
        """Return the state in which sequences (B, T) begin: zeros."""
        layers = [cast("LSTMLayer", layer) for layer in self.layers]
        zeros = [self.tokens.weight.new_zeros(len(tokens), layer.hidden_size) for layer in layers]
        return RecurrentState(zeros, zeros)

    def _read(self, tokens: Tensor, state: RecurrentState | None = None) -> Tensor:
        """Append tokens (R, T) to the state, or to a new one, and return features (R, T, D)."""
        state = self._start(tokens) if state is None else state
        x = self.dropout_in(self.word_dropout(self.tokens(tokens), tokens))
        for number, layer in enumerate(self.layers):
            if number:
                x = self.dropout_between(x)
            x, (hidden, cell) = layer(x, (state.hidden[number][None], state.cell[number][None]))
            state.hidden[number], state.cell[number] = hidden[0], cell[0]
        features: Tensor = self.dropout_out(x)
        return features


def _dropout(config: LSTMLanguageModelConfig, p: float | None) -> nn.Module:
    share = config.dropout if p is None else p
    return LockedDropout(share) if config.locked_dropout else nn.Dropout(share)
