"""
The LSTM encoder-decoder.

B sentences, W rows of each when decoding with a beam, R = B or B*W rows, S source positions, T target positions,
D size of embeddings, U units of the decoder's states, V vocabulary. Rows are padded on the right.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from seqtrain.api import ConfigError, ModelSpec
from seqtrain_recurrent.attention import Attention
from seqtrain_recurrent.config import LSTMConfig
from seqtrain_recurrent.decoding_state import RecurrentState
from seqtrain_recurrent.initialisation import initialise, token_table
from seqtrain_recurrent.stack import Encoded, LSTMStack


class LSTMEncoderDecoder(nn.Module):
    """
    Reads a source sentence and predicts the target token by token, each time looking at the source anew.

    Args:
        config: sizes and options.
        spec: vocabularies and padding.

    Raises:
        ConfigError: the vocabularies do not allow what the config asks for.

    Source:
        Luong et al. 2015, arXiv:1508.04025, sections 3.1 and 3.3, as fairseq's `lstm`.
    """

    def __init__(self, config: LSTMConfig, *, spec: ModelSpec) -> None:
        super().__init__()
        self.padding = spec.padding
        source, target = _token_tables(config, spec)
        self.encoder = Encoder(config, source)
        self.decoder = Decoder(config, target, self.encoder.stack.units)
        self.output = nn.Linear(config.embed_dim, spec.vocab_size, bias=config.share_embeddings == "none")
        if config.share_embeddings != "none":
            self.output.weight = target.weight
        initialise(self)

    @property
    def output_projection(self) -> nn.Linear:
        """The layer that turns features into logits."""
        return self.output

    @property
    def row_meanings(self) -> dict[str, str]:
        """What tables have rows for; see `DescribesRows`."""
        return {"encoder.tokens": "source", "decoder.tokens": "target", "output": "target"}

    def forward(self, source_tokens: Tensor, prev_output_tokens: Tensor, features_only: bool = False) -> Tensor:
        """
        Predict each target token from the source and the target tokens before it.

        Args:
            source_tokens: (B, S) int64.
            prev_output_tokens: (B, T) int64: the target shifted right by one.
            features_only: leave out the output projection.

        Returns:
            (B, T, V) logits, or (B, T, D) features.
        """
        features: Tensor = self.decoder(prev_output_tokens, self._start(source_tokens))
        return features if features_only else self.output_projection(features)

    @torch.no_grad()
    def start_decoding(self, net_input: Mapping[str, Tensor], *, beam: int) -> RecurrentState:
        """Read `source_tokens` (B, S) and return a state with `beam` rows for each of the B sentences."""
        return self._start(net_input["source_tokens"]).widen(beam)

    @torch.no_grad()
    def decode_step(self, tokens: Tensor, state: RecurrentState) -> Tensor:
        """Append tokens (B*W, T) int64 to the state and return the logits after each, (B*W, T, V)."""
        logits: Tensor = self.output_projection(self.decoder(tokens, state))
        return logits

    def _start(self, source_tokens: Tensor) -> RecurrentState:
        is_real = source_tokens != self.padding
        return self.decoder.start(self.encoder(source_tokens, is_real), is_real)


class Encoder(nn.Module):
    """
    Embeds and reads the source.

    Args:
        config: sizes and options.
        tokens: the source's table (V, D).
    """

    def __init__(self, config: LSTMConfig, tokens: nn.Embedding) -> None:
        super().__init__()
        self.tokens = tokens
        self.dropout_in = nn.Dropout(_either(config.encoder_dropout_in, config.dropout))
        self.dropout_out = nn.Dropout(_either(config.encoder_dropout_out, config.dropout))
        self.stack = LSTMStack(
            config.embed_dim,
            config.hidden_dim,
            config.layers,
            bidirectional=config.bidirectional,
            dropout=self.dropout_out.p,
        )

    def forward(self, source_tokens: Tensor, is_real: Tensor) -> Encoded:
        """Read source tokens (B, S), of which is_real (B, S) bool is False at padding."""
        encoded: Encoded = self.stack(self.dropout_in(self.tokens(source_tokens)), is_real)
        return encoded._replace(vectors=self.dropout_out(encoded.vectors))


class Decoder(nn.Module):
    """
    Goes on from its state token by token; what attention gave for one token is fed in with the next.

    Args:
        config: sizes and options.
        tokens: the target's table (V, D).
        source_dim: size of the encoder's vectors and states.
    """

    def __init__(self, config: LSTMConfig, tokens: nn.Embedding, source_dim: int) -> None:
        super().__init__()
        units = config.hidden_dim
        self.tokens = tokens
        self.dropout_in = nn.Dropout(_either(config.decoder_dropout_in, config.dropout))
        self.dropout_out = nn.Dropout(_either(config.decoder_dropout_out, config.dropout))
        self.start_hidden = nn.Linear(source_dim, units) if source_dim != units else nn.Identity()
        self.start_cell = nn.Linear(source_dim, units) if source_dim != units else nn.Identity()
        sizes = [config.embed_dim + units, *[units] * (config.layers - 1)]
        self.layers = nn.ModuleList(nn.LSTMCell(size, units) for size in sizes)
        self.attention = Attention(units, source_dim)
        self.contract = nn.Linear(units, config.embed_dim) if units != config.embed_dim else None

    def start(self, encoded: Encoded, is_real: Tensor) -> RecurrentState:
        """Return the state in which a target begins; is_real (B, S) bool says where the source that was read is."""
        hidden, cell = self.start_hidden(encoded.hidden), self.start_cell(encoded.cell)  # (L, B, U)
        source = self.attention.read(encoded.vectors, is_real)
        return RecurrentState(hidden, cell, fed=torch.zeros_like(hidden[0]), source=source)

    def forward(self, tokens: Tensor, state: RecurrentState) -> Tensor:
        """Append tokens (R, T) to the state and return features (R, T, D)."""
        outs = [self._step(token, state) for token in self.dropout_in(self.tokens(tokens)).unbind(1)]
        features = torch.stack(outs, dim=1)  # (R, T, U)
        return features if self.contract is None else self.dropout_out(self.contract(features))

    def _step(self, token: Tensor, state: RecurrentState) -> Tensor:
        """Append one token, embedded as (R, D), and return what attention makes of the last layer's state, (R, U)."""
        assert state.fed is not None
        assert state.source is not None
        x = torch.cat((token, state.fed), dim=1)
        for number, layer in enumerate(self.layers):
            hidden, cell = layer(x, (state.hidden[number], state.cell[number]))
            state.hidden[number], state.cell[number] = hidden, cell
            x = self.dropout_out(hidden)
        state.fed = self.dropout_out(self.attention(state.hidden[-1], state.source))
        return state.fed


def _either(value: float | None, default: float) -> float:
    return default if value is None else value


def _token_tables(config: LSTMConfig, spec: ModelSpec) -> tuple[nn.Embedding, nn.Embedding]:
    """Return the tables of source and target, which may be one and the same."""
    if spec.source_vocab_size is None:
        raise ConfigError("The model lstm translates from a source, and this task has none. Choose another model.")
    target = token_table(spec.vocab_size, config.embed_dim, spec.padding)
    if config.share_embeddings != "all":
        return token_table(spec.source_vocab_size, config.embed_dim, spec.padding), target
    if not spec.shared_vocabulary:
        raise ConfigError(
            "model.share_embeddings=all needs one vocabulary for source and target, but the task made two, of "
            f"{spec.source_vocab_size:,} and {spec.vocab_size:,} entries. "
            "Set model.share_embeddings=decoder, or give the task a shared vocabulary."
        )
    return target, target
