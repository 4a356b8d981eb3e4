"""
The model `rnn`: an encoder that reads both ways, and a decoder that looks back at what was read.

B sentences, R rows (B, or B*W when decoding with a beam of W), S source positions, T target positions, H hidden
units, L layers, V target tokens. Rows are padded on the right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from acme_seqtrain_rnn.decoding import RNNState, Source
from seqtrain.api import ConfigError

if TYPE_CHECKING:
    from acme_seqtrain_rnn.config import RNNConfig
    from seqtrain.api import ModelSpec


class RNN(nn.Module):
    """
    Predict each target token from the source and from the target tokens before it.

    Args:
        config: sizes and dropout.
        spec: vocabularies and padding.

    Raises:
        ConfigError: there is no source to read.

    Source:
        Cho et al. 2014, arXiv:1406.1078, for the recurrent unit; Luong et al. 2015, arXiv:1508.04025, section 3.1, for
        attention by dot product.
    """

    def __init__(self, config: RNNConfig, *, spec: ModelSpec) -> None:
        super().__init__()
        if spec.source_vocab_size is None:
            raise ConfigError("The model rnn translates from a source, and this task has none. Choose another model.")
        hidden, between_layers = config.hidden, config.dropout if config.layers > 1 else 0.0
        self.padding = spec.padding
        self.dropout = nn.Dropout(config.dropout)
        self.source_embedding = nn.Embedding(spec.source_vocab_size, hidden)
        self.target_embedding = nn.Embedding(spec.vocab_size, hidden)
        self.encoder = nn.GRU(
            hidden, hidden // 2, config.layers, batch_first=True, dropout=between_layers, bidirectional=True
        )
        self.decoder = nn.GRU(hidden, hidden, config.layers, batch_first=True, dropout=between_layers)
        self.combine = nn.Linear(2 * hidden, hidden)
        self.output = nn.Linear(hidden, spec.vocab_size)

    @property
    def output_projection(self) -> nn.Linear:
        """The layer that turns features into logits."""
        return self.output

    def forward(self, source_tokens: Tensor, prev_output_tokens: Tensor, features_only: bool = False) -> Tensor:
        """
        Predict the whole target at once.

        Args:
            source_tokens: (B, S) int64.
            prev_output_tokens: (B, T) int64: the target shifted right by one.
            features_only: leave out the output projection.

        Returns:
            (B, T, V) logits, or (B, T, H) features.
        """
        source, first = self._read(source_tokens)
        features, _ = self._decode(prev_output_tokens, first, source)
        return features if features_only else self.output(features)

    @torch.no_grad()
    def start_decoding(self, net_input: Mapping[str, Tensor], *, beam: int) -> RNNState:
        """Read `source_tokens` (B, S) and return a state with `beam` rows for each of the B sentences."""
        source, first = self._read(net_input["source_tokens"])
        return RNNState(source, first.repeat_interleave(beam, dim=1), beam=beam)

    @torch.no_grad()
    def decode_step(self, tokens: Tensor, state: RNNState) -> Tensor:
        """Append tokens (R, T) to the state and return the logits after each, (R, T, V)."""
        features, state.hidden = self._decode(tokens, state.hidden, state.source)
        logits: Tensor = self.output(features)
        return logits

    def _read(self, tokens: Tensor) -> tuple[Source, Tensor]:
        """Return the source (B, S) as the decoder sees it, and the decoder's first hidden states (L, B, H)."""
        keep = tokens != self.padding
        embedded = self.dropout(self.source_embedding(tokens))  # (B, S, H)
        # Packed, so that the direction from right to left starts at a row's last token and not in its padding.
        packed = pack_padded_sequence(embedded, keep.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        states, last = self.encoder(packed)
        states, _ = pad_packed_sequence(states, batch_first=True, total_length=tokens.shape[1])  # (B, S, H)
        both_ways = last.unflatten(0, (-1, 2)).transpose(1, 2)  # (L, B, 2, H/2)
        return Source(states, keep), both_ways.flatten(2).contiguous()

    def _decode(self, tokens: Tensor, hidden: Tensor, source: Source) -> tuple[Tensor, Tensor]:
        """Go on from the hidden states (L, R, H) with tokens (R, T); return features (R, T, H) and the new states."""
        states, hidden = self.decoder(self.dropout(self.target_embedding(tokens)), hidden)  # (R, T, H)
        seen = source.look_up(states)
        combined = torch.tanh(self.combine(torch.cat([states, seen], dim=-1)))
        return self.dropout(combined), hidden
